#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/domain/image.h"

namespace mgral::domain {

// Absolute pixels of the original image, 0-based. class_index: position in the pool's class list.
struct Box {
  double x_min = 0, y_min = 0, width = 0, height = 0;
  int class_index = 0;
  bool ignore = false;  // labels: hard or crowded, neither found nor missed
  double score = 0;     // predictions: in (0, 1]
};

struct NewLabels {
  std::string image_id;
  std::vector<Box> boxes;
  std::string reject_reason;  // not empty: the annotator refuses the image
  std::optional<ImageUse> use;
  std::string batch_id;       // empty: outside of any lease
  int width = 0, height = 0;  // of the image that the boxes are for; 0: as it was registered
};

struct Labels {
  int64_t image_key = 0;
  std::string image_id;
  int64_t revision = 0;
  std::vector<Box> boxes;
  absl::Time create_time;
  bool late = false;
  std::string batch_id;
};

}  // namespace mgral::domain
