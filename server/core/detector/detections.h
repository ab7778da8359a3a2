#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/geometry/box.h"

namespace mgral::core {

// Picks detections from what a network says of one image: those above config.min_score, then class
// by class without what overlaps better ones. Tensors are float, contiguous, on the CPU. Best
// first.

// Of RetinaNet. scores: [A, C], boxes: [A, 4] in anchor order, of which `level_anchors` are each
// level's. Boxes are clipped to `clip` before they are compared unless it is null.
std::vector<Detection> PickPerLevel(const at::Tensor& scores, const at::Tensor& boxes,
                                    const std::vector<int64_t>& level_anchors, const BoxF* clip,
                                    const PredictConfig& config);

// Of SSD and Faster R-CNN. scores: [A, 1 + C], background first; boxes: [A, 4], or [A, 4 (1 + C)]
// where each class has its own. Boxes are clipped to `clip`; those with a side below `min_side`
// drop out. `per_class`: how many of each class are compared, 0 for all.
std::vector<Detection> PickPerClass(const at::Tensor& scores, const at::Tensor& boxes,
                                    const BoxF& clip, float min_side, int64_t per_class,
                                    const PredictConfig& config);

}  // namespace mgral::core
