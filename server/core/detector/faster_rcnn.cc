#include "server/core/detector/faster_rcnn.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "server/core/detector/detections.h"
#include "server/core/detector/network_modules.h"
#include "server/core/detector/proposals.h"
#include "server/core/detector/region_losses.h"
#include "server/core/detector/retinanet.h"
#include "server/core/geometry/boxes.h"
#include "server/core/geometry/roi_align.h"
#include "server/core/random.h"

namespace mgral::core {

namespace nn = torch::nn;

namespace {

// torchvision's, see its FasterRCNN.
constexpr int64_t kRegionSize = 7;  // positions along each side of a region's features
constexpr int64_t kRegionLevels = 4;
constexpr int64_t kProposals = 1000, kTrainingProposals = 2000;
constexpr float kLeastDetection = 1e-2f;  // pixels, of either side

}  // namespace

// The first stage: its head.
class RpnHeadImpl : public nn::Module {
 public:
  explicit RpnHeadImpl(const DetectorConfig& config) {
    const int64_t channels = config.pyramid_channels, anchors = config.anchors_per_position();
    Group conv, block;
    conv_ = block->Add("0", MakeConv(channels, channels, 3, 1, true));
    conv->Add("0", block);
    register_module("conv", conv);
    logits_ = register_module("cls_logits", MakeConv(channels, anchors, 1, 1, true));
    boxes_ = register_module("bbox_pred", MakeConv(channels, 4 * anchors, 1, 1, true));
  }
  // {logits [B, a, 1], deltas [B, a, 4]} of one level.
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& level) {
    const torch::Tensor x = conv_->forward(level).relu_();
    return {PerAnchor(logits_->forward(x), 1), PerAnchor(boxes_->forward(x), 4)};
  }

 private:
  nn::Conv2d conv_{nullptr}, logits_{nullptr}, boxes_{nullptr};
};
TORCH_MODULE(RpnHead);

class FasterRcnn::Modules : public NetworkModules {
 public:
  Modules(const DetectorConfig& config, uint64_t seed);

  RpnHead rpn{nullptr};
  nn::Linear fc6{nullptr}, fc7{nullptr}, classes{nullptr}, boxes{nullptr};
};

FasterRcnn::Modules::Modules(const DetectorConfig& config, uint64_t seed) {
  AddBackbone(config);
  Group first, second, head, predictor;
  rpn = first->Add("head", RpnHead(config));
  register_module("rpn", first);
  const int64_t channels = config.pyramid_channels, wide = 4 * channels;
  fc6 = head->Add("fc6", nn::Linear(channels * kRegionSize * kRegionSize, wide));
  fc7 = head->Add("fc7", nn::Linear(wide, wide));
  classes = predictor->Add("cls_score", nn::Linear(wide, config.num_classes + 1));
  boxes = predictor->Add("bbox_pred", nn::Linear(wide, 4 * (config.num_classes + 1)));
  second->Add("box_head", head);
  second->Add("box_predictor", predictor);
  register_module("roi_heads", second);
  Initialize(seed, [](const std::string& name, double fan, double /*fan_out*/) {
    if (name.rfind("roi_heads.box_head.", 0) == 0) return std::sqrt(2 / fan);
    return name.rfind("roi_heads.box_predictor.bbox_pred", 0) == 0 ? 0.001 : 0.01;
  });
}

struct FasterRcnn::FirstStage {
  at::Tensor logits, deltas;  // [B, A, 1], [B, A, 4]
};

struct FasterRcnn::SecondStage {
  at::Tensor logits, deltas;  // [n, K], [n, 4 K]
};

FasterRcnn::FasterRcnn(const DetectorConfig& config, uint64_t seed)
    : FasterRcnn(config, std::make_shared<Modules>(config, seed)) {}
FasterRcnn::FasterRcnn(const DetectorConfig& config, std::shared_ptr<Modules> modules)
    : Network(config, modules), modules_(std::move(modules)) {}

FasterRcnn::FirstStage FasterRcnn::RunFirst(const std::vector<at::Tensor>& levels) const {
  std::vector<at::Tensor> logits, deltas;
  for (const at::Tensor& level : levels) {
    const auto [level_logits, level_deltas] = modules_->rpn->forward(level);
    logits.push_back(level_logits);
    deltas.push_back(level_deltas);
  }
  return {at::cat(logits, 1), at::cat(deltas, 1)};
}

FasterRcnn::SecondStage FasterRcnn::RunSecond(const std::vector<at::Tensor>& levels,
                                              const std::vector<at::Tensor>& regions) const {
  std::vector<at::Tensor> near;
  for (const at::Tensor& boxes : regions) near.push_back(boxes.to(levels[0].device()));
  at::Tensor x =
      MultiscaleRoiAlign({levels.begin(), levels.begin() + kRegionLevels}, near, kRegionSize);
  x = modules_->fc6->forward(x.flatten(1)).relu_();
  x = modules_->fc7->forward(x).relu_();
  return {modules_->classes->forward(x), modules_->boxes->forward(x)};
}

std::vector<at::Tensor> FasterRcnn::Propose(const FirstStage& first, const NetInput& input,
                                            int64_t limit) const {
  c10::NoGradGuard no_grad;
  const at::Tensor anchors = Anchors(input.height, input.width).to(first.deltas.device());
  const at::Tensor boxes =
      DecodeBoxes(first.deltas.detach(), anchors.unsqueeze(0)).cpu().contiguous();
  const at::Tensor logits = first.logits.detach().squeeze(2).cpu().contiguous();
  std::vector<at::Tensor> proposals;
  for (int64_t i = 0; i < input.size(); ++i) {
    proposals.push_back(PickProposals(logits[i], boxes[i], LevelAnchors(input.height, input.width),
                                      input.ContentOf(i), limit, limit));
  }
  return proposals;
}

RawOutput FasterRcnn::Forward(const NetInput& input) {
  RawOutput out;
  out.features = modules_->PyramidLevels(input);
  const std::vector<at::Tensor> proposals = Propose(RunFirst(out.features), input, kProposals);
  const SecondStage second = RunSecond(out.features, proposals);
  const int64_t images = input.size(), outputs = second.logits.size(1);
  out.logits = at::zeros({images, kProposals, outputs}, second.logits.options());
  out.deltas = at::zeros({images, kProposals, 4 * outputs}, second.deltas.options());
  out.proposals = at::zeros({images, kProposals, 4}, second.deltas.options());
  int64_t first = 0;
  for (int64_t i = 0; i < images; ++i) {
    const int64_t count = proposals[i].size(0);
    out.logits[i].slice(0, 0, count).copy_(second.logits.slice(0, first, first + count));
    out.deltas[i].slice(0, 0, count).copy_(second.deltas.slice(0, first, first + count));
    out.proposals[i].slice(0, 0, count).copy_(proposals[i]);
    first += count;
  }
  out.level_anchors = {kProposals};
  return out;
}

std::vector<std::vector<Detection>> FasterRcnn::Detections(const RawOutput& output,
                                                           const NetInput& input,
                                                           const PredictConfig& config) const {
  std::vector<std::vector<Detection>> found;
  for (int64_t i = 0; i < output.logits.size(0); ++i) {
    const at::Tensor scores = output.logits[i].softmax(1).cpu().contiguous();
    const at::Tensor boxes = RegionBoxes(output.deltas[i], output.proposals[i]).flatten(1);
    found.push_back(PickPerClass(scores, boxes.cpu().contiguous(), input.ContentOf(i),
                                 kLeastDetection, 0, config));
  }
  return found;
}

Targets FasterRcnn::MakeTargets(const std::vector<Sample>& labels, int64_t height, int64_t width,
                                const TrainConfig& config, const at::Tensor& class_weights,
                                uint64_t draw) const {
  std::vector<Sample> regions = labels;
  for (Sample& s : regions) s.labels = at::zeros_like(s.labels);
  Targets targets =
      AssignTargets(regions, Anchors(height, width), LevelAnchors(height, width), 1, config);
  SampleAnchors(config.sampled_anchors, draw, &targets);
  targets.share = static_cast<double>(labels.size());
  targets.objects = labels;
  targets.class_weights = class_weights;
  targets.draw = draw;
  return targets;
}

at::Tensor FasterRcnn::Loss(const NetInput& input, const Targets& targets, double shares,
                            const TrainConfig& config) {
  const std::vector<at::Tensor> levels = modules_->PyramidLevels(input);
  const FirstStage first = RunFirst(levels);
  // The second stage's regions: proposals and the objects themselves.
  const std::vector<at::Tensor> proposals = Propose(first, input, kTrainingProposals);
  std::vector<at::Tensor> boxes, labels, objects;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const Sample& own = targets.objects[i];
    const at::Tensor real = own.ignore.logical_not().nonzero().squeeze(1);
    const at::Tensor all = at::cat({proposals[i], own.boxes.index_select(0, real)});
    const LabeledProposals chosen = SampleProposals(
        LabelProposals(all, own), config.sampled_proposals, MixSeed(targets.draw, 2, i, 0));
    boxes.push_back(chosen.boxes);
    labels.push_back(chosen.labels);
    objects.push_back(chosen.objects);
  }
  const SecondStage second = RunSecond(levels, boxes);
  const LabeledProposals regions{at::cat(boxes), at::cat(labels), at::cat(objects)};
  RegionLosses losses = ComputeRegionLosses(second.logits, second.deltas, regions);
  if (targets.class_weights.defined()) {
    const at::Tensor weight = at::cat({targets.class_weights.new_ones({1}), targets.class_weights})
                                  .index_select(0, regions.labels.to(second.logits.device()));
    losses.classes = losses.classes * weight;
    losses.boxes = losses.boxes * weight.index_select(0, losses.rows);
  }
  const double count = static_cast<double>(std::max<int64_t>(1, regions.labels.size(0)));
  return (AnchorLoss(first.logits, first.deltas, targets) +
          (losses.classes.sum() + losses.boxes.sum()) / count) *
         (targets.share / shares);
}

at::Tensor FasterRcnn::Anchors(int64_t height, int64_t width) const {
  return PyramidAnchors(config(), height, width);
}

std::vector<int64_t> FasterRcnn::LevelAnchors(int64_t height, int64_t width) const {
  return PyramidLevelAnchors(config(), height, width);
}

}  // namespace mgral::core
