#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/sample.h"

namespace mgral::core {

// What each anchor of a minibatch should say; all on one device.
struct Targets {
  at::Tensor classes;      // float [B, A, C], one-hot; all zero for background
  at::Tensor weights;      // float [B, A, 1]; 0 for anchors that do not count
  at::Tensor positives;    // int64 [P], rows of [B * A] that are objects
  at::Tensor boxes;        // float [P, 4], canvas pixels
  at::Tensor box_anchors;  // float [P, 4]
  at::Tensor box_labels;   // int64 [P]
  at::Tensor box_weights;  // float [P], of the box's class; undefined: 1
  double share = 0;        // part of what a minibatch's losses are divided by: see Network::Loss

  // Of Faster R-CNN, whose second stage has its own: the images' objects, the classes' weights if
  // there are any, and the seed of what is drawn.
  std::vector<Sample> objects;
  at::Tensor class_weights;
  uint64_t draw = 0;

  Targets To(at::Device device) const;
};

// Weight of each class [C] from the number of its objects in `counts` [C]; see
// TrainConfig::class_balance. Undefined if that is 0.
at::Tensor ClassWeights(const std::vector<int64_t>& counts, double class_balance);

// Puts the classes' weights in: positive anchors count by their class. Nothing if undefined.
void WeighTargets(const at::Tensor& class_weights, Targets* targets);

// What the anchors are matched to. kOverlap (Lin et al. 2017, and torchvision's): an anchor belongs
// to the box that it overlaps most if by positive_iou or more, is background below negative_iou and
// does not count between; the anchors that overlap a box most belong to it in any case. kAdaptive
// (Zhang et al. 2020, ATSS): of the nine anchors per level whose centers are nearest to the box's,
// those belong to it that lie in it with their center and overlap it by the mean of the candidates'
// overlaps and one standard deviation more; if there are none, the one that overlaps it most. An
// anchor that two boxes claim belongs to the one that it overlaps more.
// Background anchors of which more than half lies in an `ignore` box do not count. `labels` as in
// Minibatch; `level_anchors`: how many of `anchors` are each level's. All on the CPU.
Targets AssignTargets(const std::vector<Sample>& labels, const at::Tensor& anchors,
                      const std::vector<int64_t>& level_anchors, int num_classes,
                      const TrainConfig& config);

}  // namespace mgral::core
