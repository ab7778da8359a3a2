#include "server/core/detector/ssd.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include "server/core/detector/detections.h"
#include "server/core/detector/losses.h"
#include "server/core/detector/network_modules.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/vgg.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {

namespace nn = torch::nn;

namespace {

constexpr int kFourthPooling = 23, kFifthPooling = 30;  // of VGG's layers
constexpr double kScaleAtStart = 20;                    // of the first level's normalized features
constexpr double kNegativesPerPositive = 3;
// The images' mean in torchvision's SSD, which divides by 1.
const std::vector<double> kSsdMean = {0.48235 * 255, 0.45882 * 255, 0.40784 * 255};

// A level's positions along a side, pixels between them, and the aspect ratios of its default boxes
// beside 1; the scales of its boxes and of the next level's, relative to the image.
struct SsdLevel {
  int64_t positions;
  double step;
  std::vector<double> ratios;
  double scale, next_scale;
  int64_t boxes() const { return 2 + 2 * static_cast<int64_t>(ratios.size()); }
};
const std::vector<SsdLevel> kLevels = {{38, 8, {2}, 0.07, 0.15},     {19, 16, {2, 3}, 0.15, 0.33},
                                       {10, 32, {2, 3}, 0.33, 0.51}, {5, 64, {2, 3}, 0.51, 0.69},
                                       {3, 100, {2}, 0.69, 0.87},    {1, 300, {2}, 0.87, 1.05}};

// Of each level after the second: channels between its two convolutions and after them, and the
// second one's stride and padding.
struct SsdExtra {
  int64_t middle, out, stride, padding;
};
constexpr SsdExtra kExtras[] = {
    {256, 512, 2, 1}, {128, 256, 2, 1}, {128, 256, 1, 0}, {128, 256, 1, 0}};

at::Tensor SsdDeltaWeights(const at::Tensor& like) {
  return at::tensor({10.0, 10.0, 5.0, 5.0}, like.options());
}

}  // namespace

// Its convolutions have the names that torchvision's have in a sequence with their activations.
class ConvPairImpl : public nn::Module {
 public:
  ConvPairImpl(const nn::Conv2dOptions& first, const std::string& first_name,
               const nn::Conv2dOptions& second, const std::string& second_name)
      : first_(register_module(first_name, nn::Conv2d(first))),
        second_(register_module(second_name, nn::Conv2d(second))) {}
  torch::Tensor forward(const torch::Tensor& x) {
    return second_->forward(first_->forward(x).relu_()).relu_();
  }

 private:
  nn::Conv2d first_, second_;
};
TORCH_MODULE(ConvPair);

class Ssd::Modules : public NetworkModules {
 public:
  Modules(const DetectorConfig& config, uint64_t seed);

  std::vector<torch::Tensor> Levels(const torch::Tensor& images);
  std::vector<nn::Conv2d> classes, boxes;  // of each level

 private:
  VggLayers features_, conv5_;
  ConvPair fc_{nullptr};
  std::vector<ConvPair> extras_;
  torch::Tensor scale_;
};

Ssd::Modules::Modules(const DetectorConfig& config, uint64_t seed)
    : features_(config.width, 0, kFourthPooling, true),
      conv5_(config.width, kFourthPooling, kFifthPooling) {
  const std::vector<int64_t> channels = SsdChannels(config);
  Group backbone, extra, head;
  backbone->Add("features", features_);
  scale_ = backbone->register_parameter("scale_weight", torch::ones({channels[0]}));
  fc_ = ConvPair(nn::Conv2dOptions(features_->channels(), channels[1], 3).padding(6).dilation(6),
                 "1", nn::Conv2dOptions(channels[1], channels[1], 1), "3");
  conv5_->register_module("7", fc_);
  extra->Add("0", conv5_);
  for (const SsdExtra& e : kExtras) {
    const size_t level = extras_.size() + 2;
    const int64_t middle = Scaled(e.middle, config.width);
    const auto second = nn::Conv2dOptions(middle, channels[level], 3);
    extras_.push_back(
        extra->Add(std::to_string(level - 1),
                   ConvPair(nn::Conv2dOptions(channels[level - 1], middle, 1), "0",
                            nn::Conv2dOptions(second).stride(e.stride).padding(e.padding), "2")));
  }
  backbone->Add("extra", extra);
  register_module("backbone", backbone);
  const auto add_head = [&](const std::string& name, int64_t outputs) {
    Group group, list;
    std::vector<nn::Conv2d> convs;
    for (size_t i = 0; i < kLevels.size(); ++i) {
      convs.push_back(list->Add(std::to_string(i),
                                MakeConv(channels[i], kLevels[i].boxes() * outputs, 3, 1, true)));
    }
    group->Add("module_list", list);
    head->Add(name, group);
    return convs;
  };
  classes = add_head("classification_head", config.num_classes + 1);
  boxes = add_head("regression_head", 4);
  register_module("head", head);
  Initialize(seed, [](const std::string& name, double fan_in, double fan_out) {
    const bool vgg = name.rfind("backbone.features.", 0) == 0;
    return std::sqrt(2 / (vgg ? fan_out : fan_in + fan_out));  // He's, or Glorot's
  });
  torch::NoGradGuard no_grad;
  scale_.fill_(kScaleAtStart);
}

std::vector<torch::Tensor> Ssd::Modules::Levels(const torch::Tensor& images) {
  const torch::Tensor pixels = PixelsOf(images);
  torch::Tensor x = pixels - at::tensor(kSsdMean, pixels.options()).view({3, 1, 1});
  x = features_->forward(x, 0, kFourthPooling);
  const torch::Tensor length = x.norm(2, {1}, true).clamp_min(1e-12);
  std::vector<torch::Tensor> levels = {scale_.view({1, -1, 1, 1}) * (x / length)};
  x = conv5_->forward(x, kFourthPooling, kFifthPooling);
  levels.push_back(x = fc_->forward(at::max_pool2d(x, 3, 1, 1)));
  for (ConvPair& extra : extras_) levels.push_back(x = extra->forward(x));
  return levels;
}

Ssd::Ssd(const DetectorConfig& config, uint64_t seed)
    : Ssd(config, std::make_shared<Modules>(config, seed)) {}
Ssd::Ssd(const DetectorConfig& config, std::shared_ptr<Modules> modules)
    : Network(config, modules), modules_(std::move(modules)) {}

RawOutput Ssd::Forward(const NetInput& input) {
  RawOutput out;
  out.features = modules_->Levels(input.images);
  std::vector<at::Tensor> logits, deltas;
  for (size_t level = 0; level < out.features.size(); ++level) {
    logits.push_back(PerAnchor(modules_->classes[level]->forward(out.features[level]),
                               config().num_classes + 1));
    deltas.push_back(PerAnchor(modules_->boxes[level]->forward(out.features[level]), 4));
    out.level_anchors.push_back(logits.back().size(1));
  }
  out.logits = at::cat(logits, 1);
  out.deltas = at::cat(deltas, 1);
  return out;
}

std::vector<std::vector<Detection>> Ssd::Detections(const RawOutput& output, const NetInput& input,
                                                    const PredictConfig& config) const {
  const at::Tensor anchors = Anchors(input.height, input.width).to(output.deltas.device());
  const at::Tensor scores = output.logits.softmax(2).cpu().contiguous();
  const at::Tensor boxes =
      DecodeBoxes(output.deltas / SsdDeltaWeights(output.deltas), anchors.unsqueeze(0))
          .cpu()
          .contiguous();
  std::vector<std::vector<Detection>> found;
  for (int64_t i = 0; i < scores.size(0); ++i) {
    found.push_back(PickPerClass(scores[i], boxes[i], input.ContentOf(i), 0,
                                 config.candidates_per_level, config));
  }
  return found;
}

struct Ssd::Losses {
  at::Tensor classes;  // [B, A]
  at::Tensor counted;  // bool [B, A], the background that counts
  at::Tensor boxes;    // [P]
};

Ssd::Losses Ssd::LossesOf(const RawOutput& output, const Targets& targets) {
  const int64_t images = output.logits.size(0), classes = output.logits.size(2);
  const at::Tensor number = at::arange(1, classes, targets.classes.options());
  const at::Tensor label = (targets.classes * number).sum(2).to(at::kLong);  // 0: background
  Losses losses;
  losses.classes = at::cross_entropy_loss(output.logits.reshape({-1, classes}), label.view({-1}),
                                          {}, at::Reduction::None)
                       .view({images, -1});
  const at::Tensor object = label > 0;
  const at::Tensor background = object.logical_not() & (targets.weights.squeeze(2) > 0);
  const at::Tensor by_loss =
      losses.classes.detach().masked_fill(background.logical_not(), -INFINITY);
  const at::Tensor order = std::get<1>(by_loss.sort(int64_t{1}, true));
  const at::Tensor rank = std::get<1>(order.sort(int64_t{1}, false));
  losses.counted =
      background & (rank < kNegativesPerPositive * object.sum(at::IntArrayRef{1}, true));
  const at::Tensor said = output.deltas.reshape({-1, 4}).index_select(0, targets.positives);
  const at::Tensor wanted = EncodeBoxes(targets.boxes, targets.box_anchors);
  losses.boxes = SmoothL1Loss(said, wanted * SsdDeltaWeights(said), 1).sum(1);
  if (targets.box_weights.defined()) losses.boxes = losses.boxes * targets.box_weights;
  return losses;
}

at::Tensor Ssd::Loss(const NetInput& input, const Targets& targets, double shares,
                     const TrainConfig& config) {
  const Losses losses = LossesOf(Forward(input), targets);
  const at::Tensor objects = targets.classes.sum(2) * targets.weights.squeeze(2);
  const at::Tensor classes = (losses.classes * (objects + losses.counted)).sum();
  return (classes + losses.boxes.sum() * config.box_loss_weight) / std::max(1.0, shares);
}

at::Tensor Ssd::Anchors(int64_t height, int64_t width) const {
  std::vector<float> boxes;
  for (const SsdLevel& level : kLevels) {
    const double middle = std::sqrt(level.scale * level.next_scale);
    std::vector<std::pair<double, double>> sides = {{level.scale, level.scale}, {middle, middle}};
    for (double ratio : level.ratios) {
      const double wide = level.scale * std::sqrt(ratio), low = level.scale / std::sqrt(ratio);
      sides.insert(sides.end(), {{wide, low}, {low, wide}});
    }
    for (int64_t i = 0; i < level.positions * level.positions; ++i) {
      const double x = (i % level.positions + 0.5) * level.step;
      const double y = (i / level.positions + 0.5) * level.step;
      for (const auto& [w, h] : sides) {
        const double half_w = std::min(w, 1.0) * width / 2, half_h = std::min(h, 1.0) * height / 2;
        for (double side : {x - half_w, y - half_h, x + half_w, y + half_h}) {
          boxes.push_back(static_cast<float>(side));
        }
      }
    }
  }
  return at::tensor(boxes).view({-1, 4});
}

std::vector<int64_t> Ssd::LevelAnchors(int64_t /*height*/, int64_t /*width*/) const {
  std::vector<int64_t> counts;
  for (const SsdLevel& l : kLevels) counts.push_back(l.positions * l.positions * l.boxes());
  return counts;
}

std::vector<int64_t> SsdChannels(const DetectorConfig& config) {
  std::vector<int64_t> channels = {Scaled(512, config.width), Scaled(1024, config.width)};
  for (const SsdExtra& e : kExtras) channels.push_back(Scaled(e.out, config.width));
  return channels;
}

}  // namespace mgral::core
