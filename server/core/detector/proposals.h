#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/sample.h"
#include "server/core/detector/targets.h"
#include "server/core/geometry/box.h"

namespace mgral::core {

// What Faster R-CNN's second stage looks at, and what both stages are trained on. All on the CPU.

// Of one image. objectness: logits [A], boxes: [A, 4], decoded. The `before` best of each level,
// clipped to the image, level by level without what overlaps better ones by more than 0.7; of those
// the `after` best. [n, 4], best first.
at::Tensor PickProposals(const at::Tensor& objectness, const at::Tensor& boxes,
                         const std::vector<int64_t>& level_anchors, const BoxF& content,
                         int64_t before, int64_t after);

// Leaves `count` anchors of each image to be trained on, at most half of them objects; the others
// get weight 0.
void SampleAnchors(int64_t count, uint64_t draw, Targets* targets);

// Proposals with what they should say.
struct LabeledProposals {
  at::Tensor boxes;    // [n, 4]
  at::Tensor labels;   // int64 [n]; 0: background, else the class and 1
  at::Tensor objects;  // [n, 4], the objects' boxes; of background anything
};
// A proposal is an object's if it overlaps it by 0.5 or more, background if it overlaps none so;
// background of which more than half lies in an `ignore` box is left out.
LabeledProposals LabelProposals(const at::Tensor& proposals, const Sample& objects);
// `count` of them, at most a quarter objects.
LabeledProposals SampleProposals(const LabeledProposals& all, int64_t count, uint64_t draw);

}  // namespace mgral::core
