#pragma once

#include <cstdint>
#include <vector>

namespace mgral::core {

// Embeddings of the objects found in N images: directions only, as bytes, so that a million images
// stay below half a gigabyte. Of an image some of the objects have one, those that come first.
struct ObjectEmbeddings {
  int64_t dim = 0;             // 0: there are none, whatever was found
  std::vector<int64_t> first;  // [N + 1] row of each image's first object, then the number of rows
  std::vector<int8_t> values;  // [rows, dim]
};

}  // namespace mgral::core
