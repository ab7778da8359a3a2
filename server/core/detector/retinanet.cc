#include "server/core/detector/retinanet.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <utility>

#include "server/core/detector/detections.h"
#include "server/core/detector/losses.h"
#include "server/core/detector/network_modules.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {

class RetinaNet::Modules : public NetworkModules {
 public:
  Modules(const DetectorConfig& config, uint64_t seed);

  Head classes{nullptr}, boxes{nullptr};
};

RetinaNet::Modules::Modules(const DetectorConfig& config, uint64_t seed) {
  AddBackbone(config);
  Group head;
  classes = head->Add("classification_head", Head(config, "cls_logits", config.num_classes));
  boxes = head->Add("regression_head", Head(config, "bbox_reg", 4));
  register_module("head", head);
  Initialize(seed, [](const std::string& name, double fan, double /*fan_out*/) {
    const bool last =
        name.find("cls_logits") != std::string::npos || name.find("bbox_reg") != std::string::npos;
    return last ? 0.01 : std::sqrt(2 / fan);
  });
  torch::NoGradGuard no_grad;
  named_parameters()["head.classification_head.cls_logits.bias"].fill_(
      -std::log((1 - 0.01) / 0.01));
}

RetinaNet::RetinaNet(const DetectorConfig& config, uint64_t seed)
    : RetinaNet(config, std::make_shared<Modules>(config, seed)) {}
RetinaNet::RetinaNet(const DetectorConfig& config, std::shared_ptr<Modules> modules)
    : Network(config, modules), modules_(std::move(modules)) {}

RawOutput RetinaNet::Forward(const NetInput& input) {
  RawOutput out;
  out.features = modules_->PyramidLevels(input);
  const std::vector<at::Tensor> logits = modules_->classes->forward(out.features);
  for (const at::Tensor& level : logits) out.level_anchors.push_back(level.size(1));
  out.logits = at::cat(logits, 1);
  out.deltas = at::cat(modules_->boxes->forward(out.features), 1);
  return out;
}

std::vector<std::vector<Detection>> RetinaNet::Detections(const RawOutput& output,
                                                          const NetInput& input,
                                                          const PredictConfig& config) const {
  const at::Tensor anchors = Anchors(input.height, input.width).to(output.deltas.device());
  const at::Tensor scores = output.logits.sigmoid().cpu().contiguous();
  const at::Tensor boxes = DecodeBoxes(output.deltas, anchors.unsqueeze(0)).cpu().contiguous();
  std::vector<std::vector<Detection>> found;
  for (int64_t i = 0; i < scores.size(0); ++i) {
    const BoxF content = input.ContentOf(i);
    const bool clip_first = this->config().resizing != Resizing::kLongestSide;
    found.push_back(PickPerLevel(scores[i], boxes[i], output.level_anchors,
                                 clip_first ? &content : nullptr, config));
  }
  return found;
}

at::Tensor RetinaNet::Loss(const NetInput& input, const Targets& targets, double shares,
                           const TrainConfig& config) {
  const SupervisedLoss parts = ComputeSupervisedLoss(Forward(input), targets, shares, config);
  return parts.classes + parts.boxes;
}

at::Tensor RetinaNet::Anchors(int64_t height, int64_t width) const {
  return PyramidAnchors(config(), height, width);
}

std::vector<int64_t> RetinaNet::LevelAnchors(int64_t height, int64_t width) const {
  return PyramidLevelAnchors(config(), height, width);
}

at::Tensor PyramidAnchors(const DetectorConfig& config, int64_t height, int64_t width) {
  std::vector<at::Tensor> levels;
  const AnchorShape shape{config.anchor_scales, config.anchor_ratios};
  const bool spread = config.resizing != Resizing::kLongestSide;
  for (int level = config.min_level; level <= config.max_level; ++level) {
    const int64_t stride = int64_t{1} << level;
    levels.push_back(
        MakeAnchors({stride, config.anchor_scale * stride, spread}, shape, height, width));
  }
  return at::cat(levels, 0);
}

std::vector<int64_t> PyramidLevelAnchors(const DetectorConfig& config, int64_t height,
                                         int64_t width) {
  std::vector<int64_t> counts;
  for (int level = config.min_level; level <= config.max_level; ++level) {
    const int64_t stride = int64_t{1} << level;
    counts.push_back((height + stride - 1) / stride * ((width + stride - 1) / stride) *
                     config.anchors_per_position());
  }
  return counts;
}

}  // namespace mgral::core
