#include "server/core/detector/losses.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "server/core/geometry/box.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

constexpr int32_t kBackground = -1, kNotCounted = -2;

// Index into the boxes, kBackground or kNotCounted, per anchor.
std::vector<int32_t> Match(const BoxF* anchors, int64_t count, const std::vector<BoxF>& boxes,
                           const std::vector<char>& ignore, const TrainConfig& config) {
  std::vector<int32_t> match(count, kBackground);
  std::vector<float> best(count, 0), overlap(count);
  std::vector<int32_t> forced(count, kBackground);
  for (size_t j = 0; j < boxes.size(); ++j) {
    if (ignore[j]) continue;
    float highest = 0;
    for (int64_t a = 0; a < count; ++a) {
      overlap[a] = Iou(anchors[a], boxes[j]);
      highest = std::max(highest, overlap[a]);
      if (overlap[a] > best[a]) {
        best[a] = overlap[a];
        match[a] = static_cast<int32_t>(j);
      }
    }
    if (highest <= 0) continue;
    for (int64_t a = 0; a < count; ++a) {
      if (overlap[a] == highest) forced[a] = static_cast<int32_t>(j);
    }
  }
  for (int64_t a = 0; a < count; ++a) {
    if (best[a] < config.positive_iou) {
      match[a] = best[a] < config.negative_iou ? kBackground : kNotCounted;
    }
    if (forced[a] >= 0) match[a] = forced[a];
  }
  for (size_t j = 0; j < boxes.size(); ++j) {
    if (!ignore[j]) continue;
    for (int64_t a = 0; a < count; ++a) {
      if (match[a] == kBackground && Intersection(anchors[a], boxes[j]) > 0.5f * Area(anchors[a])) {
        match[a] = kNotCounted;
      }
    }
  }
  return match;
}

std::vector<BoxF> ToBoxes(const at::Tensor& boxes) {
  std::vector<BoxF> out(boxes.size(0));
  if (!out.empty())
    std::memcpy(static_cast<void*>(out.data()), boxes.data_ptr<float>(), out.size() * sizeof(BoxF));
  return out;
}

}  // namespace

Targets Targets::To(at::Device device) const {
  Targets moved;
  moved.classes = classes.to(device);
  moved.weights = weights.to(device);
  moved.positives = positives.to(device);
  moved.boxes = boxes.to(device);
  moved.box_anchors = box_anchors.to(device);
  moved.box_labels = box_labels.to(device);
  if (box_weights.defined()) moved.box_weights = box_weights.to(device);
  return moved;
}

Targets AssignTargets(const std::vector<Sample>& labels, const at::Tensor& anchors, int num_classes,
                      const TrainConfig& config) {
  const int64_t images = static_cast<int64_t>(labels.size()), count = anchors.size(0);
  const BoxF* anchor = reinterpret_cast<const BoxF*>(anchors.data_ptr<float>());
  std::vector<std::vector<int32_t>> match(images);
  for (int64_t i = 0; i < images; ++i) {
    const bool* ignore = labels[i].ignore.data_ptr<bool>();
    match[i] = Match(anchor, count, ToBoxes(labels[i].boxes),
                     std::vector<char>(ignore, ignore + labels[i].ignore.numel()), config);
  }
  Targets targets;
  targets.classes = at::zeros({images, count, num_classes});
  targets.weights = at::ones({images, count, 1});
  float* classes = targets.classes.data_ptr<float>();
  float* weights = targets.weights.data_ptr<float>();
  std::vector<int64_t> rows, box_labels;
  std::vector<BoxF> boxes, box_anchors;
  for (int64_t i = 0; i < images; ++i) {
    const std::vector<BoxF> image_boxes = ToBoxes(labels[i].boxes);
    const int64_t* image_labels = labels[i].labels.data_ptr<int64_t>();
    for (int64_t a = 0; a < count; ++a) {
      const int32_t m = match[i][a];
      const int64_t row = i * count + a;
      if (m == kNotCounted) weights[row] = 0;
      if (m < 0) continue;
      classes[row * num_classes + image_labels[m]] = 1;
      rows.push_back(row);
      boxes.push_back(image_boxes[m]);
      box_anchors.push_back(anchor[a]);
      box_labels.push_back(image_labels[m]);
    }
  }
  const int64_t positives = static_cast<int64_t>(rows.size());
  targets.positives = at::tensor(rows, at::kLong);
  targets.box_labels = at::tensor(box_labels, at::kLong);
  targets.boxes = at::from_blob(boxes.data(), {positives, 4}, at::kFloat).clone();
  targets.box_anchors = at::from_blob(box_anchors.data(), {positives, 4}, at::kFloat).clone();
  return targets;
}

at::Tensor ClassWeights(const std::vector<int64_t>& counts, double class_balance) {
  if (class_balance <= 0) return {};
  double mean = 0;
  for (int64_t n : counts) mean += static_cast<double>(n) / counts.size();
  std::vector<float> weights;
  for (int64_t n : counts) {
    const double ratio = std::max(mean, 1.0) / std::max<int64_t>(n, 1);
    weights.push_back(static_cast<float>(std::clamp(std::pow(ratio, class_balance), 0.25, 8.0)));
  }
  return at::tensor(weights);
}

void WeighTargets(const at::Tensor& class_weights, Targets* targets) {
  if (!class_weights.defined()) return;
  targets->box_weights = class_weights.index_select(0, targets->box_labels);
  targets->weights.view({-1}).index_copy_(0, targets->positives, targets->box_weights);
}

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

at::Tensor MirrorOrder(const RawOutput& output, const DetectorConfig& config) {
  std::vector<at::Tensor> levels;
  int64_t first = 0;
  for (size_t level = 0; level < output.features.size(); ++level) {
    const int64_t h = output.features[level].size(2), w = output.features[level].size(3);
    levels.push_back(at::arange(first, first + output.level_anchors[level], at::kLong)
                         .view({h, w, config.anchors_per_position()})
                         .flip(1)
                         .reshape({-1}));
    first += output.level_anchors[level];
  }
  return at::cat(levels);
}

at::Tensor ConsistencyLoss(const RawOutput& output, const RawOutput& mirror,
                           const at::Tensor& all_anchors, const DetectorConfig& config,
                           int64_t width, double foreground_score) {
  const at::Device device = output.logits.device();
  const at::Tensor anchors = all_anchors.to(device);
  const at::Tensor order = MirrorOrder(output, config).to(device);
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
