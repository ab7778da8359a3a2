#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/retinanet.h"
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

  Targets To(at::Device device) const;
};

// Weight of each class [C] from the number of its objects in `counts` [C]; see
// TrainConfig::class_balance. Undefined if that is 0.
at::Tensor ClassWeights(const std::vector<int64_t>& counts, double class_balance);

// Puts the classes' weights in: positive anchors count by their class. Nothing if undefined.
void WeighTargets(const at::Tensor& class_weights, Targets* targets);

// Matching by overlap (Lin et al. 2017, and torchvision's): an anchor belongs to the box that it
// overlaps most if by positive_iou or more, is background below negative_iou and does not count
// between; the anchors that overlap a box most belong to it in any case. Background anchors of
// which more than half lies in an `ignore` box do not count. `labels` as in Minibatch. All on the
// CPU.
Targets AssignTargets(const std::vector<Sample>& labels, const at::Tensor& anchors, int num_classes,
                      const TrainConfig& config);

// All losses are differentiable in their first arguments, take float or double and are finite for
// finite input. Thread-safe. The arguments of one call are on one device, where the result is too;
// ConsistencyLoss alone takes the anchors from the CPU as well.

// Focal loss (equation 2 of docs/method.md), per output: same shape as logits. targets in {0, 1}.
at::Tensor FocalLoss(const at::Tensor& logits, const at::Tensor& targets, double alpha,
                     double gamma);

// Smooth L1 (Girshick 2015), per number: 0.5 d^2 / beta below beta, |d| - beta / 2 above.
at::Tensor SmoothL1Loss(const at::Tensor& values, const at::Tensor& targets, double beta);

// 1 - GIoU per row, [n], in [0, 2].
at::Tensor GiouLoss(const at::Tensor& boxes, const at::Tensor& targets);

// Jensen-Shannon divergence between the two views' class probabilities (a Bernoulli distribution
// per class), summed over classes, mean over the rows; 0 without rows. logits: [n, C] both.
at::Tensor ClassConsistencyLoss(const at::Tensor& logits, const at::Tensor& mirror_logits);

// Mean squared distance of the corners in units of the anchors' size; 0 without rows. boxes and
// mirror_boxes (flipped back) and anchors: [n, 4] in pixels of the canvas.
at::Tensor BoxConsistencyLoss(const at::Tensor& boxes, const at::Tensor& mirror_boxes,
                              const at::Tensor& anchors);

// L_sup (equation 1) of part of a minibatch, divided by `positives`: the count of positive anchors
// in all of it (at least 1).
struct SupervisedLoss {
  at::Tensor classes, boxes;  // scalars
};
SupervisedLoss ComputeSupervisedLoss(const RawOutput& output, const Targets& targets,
                                     double positives, const TrainConfig& config);

// Box loss per positive anchor [P].
at::Tensor PositiveBoxLoss(const at::Tensor& deltas, const Targets& targets,
                           const TrainConfig& config);

// L_cons (equation 9) of a minibatch and its mirror image (Jeong et al. 2019: class and box
// consistency, background eliminated): over the anchors where either view has a class score of
// at least foreground_score. `mirror` is the output for images.flip(3), canvas width `width`.
at::Tensor ConsistencyLoss(const RawOutput& output, const RawOutput& mirror,
                           const at::Tensor& anchors, const DetectorConfig& config, int64_t width,
                           double foreground_score);

// Rows of the anchors in a canvas of that width, reordered so that row i of the result is the
// mirror position of anchor i (same shape of anchor, same level). int64 [A], on the CPU.
at::Tensor MirrorOrder(const RawOutput& output, const DetectorConfig& config);

}  // namespace mgral::core
