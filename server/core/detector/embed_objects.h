#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/geometry/box.h"

namespace mgral::core {

// Objects of an image that get an embedding: enough to tell images apart, at 32 bytes each.
inline constexpr int64_t kMaxEmbeddedObjects = 16;

// Turns what the levels of a network (RawOutput::features) show in a box into an embedding: the
// level on which the box is about four positions wide, as RetinaNet's anchors are; RoIAlign to one
// position; and, beyond 32 channels, a fixed random projection. Only directions count, so that an
// embedding is kept as bytes, scaled to a largest value of 127. Thread-safe.
class ObjectEmbedder {
 public:
  // channels: of each level.
  explicit ObjectEmbedder(const std::vector<int64_t>& channels);

  // Numbers of an embedding, at most 32.
  int64_t dim() const { return dim_; }

  // levels: [B, C, h, w] each; strides: pixels of the canvas per position, of each level. boxes: in
  // pixels of the canvas, of that image of the batch. [boxes, dim].
  std::vector<int8_t> Embed(const std::vector<at::Tensor>& levels,
                            const std::vector<double>& strides, int64_t image,
                            const std::vector<BoxF>& boxes) const;

 private:
  std::vector<at::Tensor> projections_;  // of each level; undefined where there is none
  int64_t dim_ = 0;
};

}  // namespace mgral::core
