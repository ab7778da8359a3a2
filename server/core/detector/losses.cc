#include "server/core/detector/losses.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

// Per positive anchor [P].
at::Tensor PositiveBoxLoss(const at::Tensor& deltas, const Targets& targets,
                           const TrainConfig& config) {
  const at::Tensor predicted = deltas.reshape({-1, 4}).index_select(0, targets.positives);
  if (config.box_loss == BoxLoss::kGeneralizedIou) {
    return GiouLoss(DecodeBoxes(predicted, targets.box_anchors), targets.boxes);
  }
  return SmoothL1Loss(predicted, EncodeBoxes(targets.boxes, targets.box_anchors),
                      config.smooth_l1_beta)
      .sum(1);
}

}  // namespace

at::Tensor FocalLoss(const at::Tensor& logits, const at::Tensor& targets, double alpha,
                     double gamma) {
  const at::Tensor p = logits.sigmoid();
  const at::Tensor cross_entropy =
      at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::None);
  const at::Tensor miss = p + targets - 2 * p * targets;  // 1 - p_t
  const at::Tensor weight = (2 * alpha - 1) * targets + (1 - alpha);
  return weight * miss.pow(gamma) * cross_entropy;
}

at::Tensor SmoothL1Loss(const at::Tensor& values, const at::Tensor& targets, double beta) {
  return at::smooth_l1_loss(values, targets, at::Reduction::None, beta);
}

at::Tensor GiouLoss(const at::Tensor& boxes, const at::Tensor& targets) {
  return 1 - GeneralizedIou(boxes, targets);
}

SupervisedLoss ComputeSupervisedLoss(const RawOutput& output, const Targets& targets,
                                     double positives, const TrainConfig& config) {
  SupervisedLoss loss;
  loss.classes =
      (FocalLoss(output.logits, targets.classes, config.focal_alpha, config.focal_gamma) *
       targets.weights)
          .sum() /
      std::max(1.0, positives);
  at::Tensor boxes = PositiveBoxLoss(output.deltas, targets, config);
  if (targets.box_weights.defined()) boxes = boxes * targets.box_weights;
  loss.boxes = boxes.sum() * (config.box_loss_weight / std::max(1.0, positives));
  return loss;
}

}  // namespace mgral::core
