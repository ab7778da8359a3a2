#include "server/core/detector/losses.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

at::Tensor Entropy(const at::Tensor& p) { return -(p * p.log() + (1 - p) * (1 - p).log()); }

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

at::Tensor ClassConsistencyLoss(const at::Tensor& logits, const at::Tensor& mirror_logits) {
  if (logits.size(0) == 0) return logits.sum() * 0;
  const auto probability = [](const at::Tensor& x) { return x.sigmoid().clamp(1e-6, 1 - 1e-6); };
  const at::Tensor a = probability(logits), b = probability(mirror_logits);
  return (Entropy((a + b) / 2) - (Entropy(a) + Entropy(b)) / 2).sum(1).mean();
}

at::Tensor SoftmaxConsistencyLoss(const at::Tensor& logits, const at::Tensor& mirror_logits) {
  if (logits.size(0) == 0) return logits.sum() * 0;
  const auto entropy = [](const at::Tensor& p) { return -(p * p.clamp_min(1e-12).log()).sum(1); };
  const at::Tensor a = logits.softmax(1), b = mirror_logits.softmax(1);
  return (entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2).mean();
}

at::Tensor BoxConsistencyLoss(const at::Tensor& boxes, const at::Tensor& mirror_boxes,
                              const at::Tensor& anchors) {
  if (boxes.size(0) == 0) return boxes.sum() * 0;
  const at::Tensor size = anchors.slice(1, 2, 4) - anchors.slice(1, 0, 2);
  return ((boxes - mirror_boxes) / at::cat({size, size}, 1)).square().mean();
}

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

at::Tensor MirrorOrder(const RawOutput& output) {
  std::vector<at::Tensor> levels;
  int64_t first = 0;
  for (size_t level = 0; level < output.features.size(); ++level) {
    const int64_t h = output.features[level].size(2), w = output.features[level].size(3);
    levels.push_back(at::arange(first, first + output.level_anchors[level], at::kLong)
                         .view({h, w, output.level_anchors[level] / (h * w)})
                         .flip(1)
                         .reshape({-1}));
    first += output.level_anchors[level];
  }
  return at::cat(levels);
}

at::Tensor ConsistencyLoss(const RawOutput& output, const RawOutput& mirror,
                           const at::Tensor& all_anchors, int64_t width, double foreground_score) {
  const at::Device device = output.logits.device();
  const at::Tensor anchors = all_anchors.to(device);
  const at::Tensor order = MirrorOrder(output).to(device);
  const int64_t images = output.logits.size(0), classes = output.logits.size(2);
  const at::Tensor logits = output.logits.reshape({-1, classes});
  const at::Tensor mirror_logits = mirror.logits.index_select(1, order).reshape({-1, classes});
  const at::Tensor score = at::max(logits.detach(), mirror_logits.detach()).amax(1).sigmoid();
  const at::Tensor rows = (score >= foreground_score).nonzero().squeeze(1);
  const at::Tensor all = anchors.repeat({images, 1}).index_select(0, rows);
  const at::Tensor mirror_all =
      anchors.index_select(0, order).repeat({images, 1}).index_select(0, rows);
  const auto boxes = [&](const at::Tensor& deltas, const at::Tensor& own_anchors) {
    return DecodeBoxes(deltas.reshape({-1, 4}).index_select(0, rows), own_anchors);
  };
  const at::Tensor flipped_back =
      MirrorBoxes(boxes(mirror.deltas.index_select(1, order), mirror_all), width);
  return ClassConsistencyLoss(logits.index_select(0, rows), mirror_logits.index_select(0, rows)) +
         BoxConsistencyLoss(boxes(output.deltas, all), flipped_back, all);
}

}  // namespace mgral::core
