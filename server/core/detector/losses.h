#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/network.h"
#include "server/core/detector/targets.h"

namespace mgral::core {

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
// The same for one distribution over all [n, K], as SSD and Faster R-CNN have.
at::Tensor SoftmaxConsistencyLoss(const at::Tensor& logits, const at::Tensor& mirror_logits);

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

// Consistency of a minibatch and its mirror image (Jeong et al. 2019: class and box consistency,
// background eliminated), over the anchors a where either view has a class score of at least
// foreground_score, with probabilities p, p' and boxes b, b' of the two views:
//   mean_a sum_c JS(p_ac || p'_ac) + mean_a |(b_a - b'_a) / size_a|^2 / 4
// `mirror` is the output for images.flip(3), canvas width `width`.
at::Tensor ConsistencyLoss(const RawOutput& output, const RawOutput& mirror,
                           const at::Tensor& anchors, int64_t width, double foreground_score);

// Rows of the anchors in a canvas of that width, reordered so that row i of the result is the
// mirror position of anchor i (same shape of anchor, same level). int64 [A], on the CPU.
at::Tensor MirrorOrder(const RawOutput& output);

}  // namespace mgral::core
