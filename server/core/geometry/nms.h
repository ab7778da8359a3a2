#pragma once

#include <cstdint>
#include <vector>

#include "server/core/geometry/box.h"

namespace mgral::core {

// One predicted object.
struct Detection {
  BoxF box;           // pixels of the image as it was given
  int32_t label = 0;  // 0-based class
  float score = 0;    // in [0, 1]
};

// Greedy non-maximum suppression, class by class: goes through the detections by falling score
// (equal scores: in input order) and drops those that overlap a kept one of their class by more
// than `iou_threshold`. Keeps at most `limit`. Returns what is kept, best first.
std::vector<Detection> NonMaximumSuppression(std::vector<Detection> detections, float iou_threshold,
                                             int64_t limit);

}  // namespace mgral::core
