#include "server/core/detector/efficientnet_lite.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <map>
#include <stdexcept>
#include <string>

#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/preprocess.h"

namespace mgral::core {

namespace nn = torch::nn;

namespace {

constexpr int64_t kStemChannels = 32;
constexpr double kNormEpsilon = 1e-3;  // of the batch norms that were trained

// A row of table 1 of the paper.
struct Stage {
  int repeats;
  int64_t kernel, stride, expand, out;
  bool last_of_stride;  // its output is one of C2 .. C5
};
constexpr Stage kStages[] = {
    {1, 3, 1, 1, 16, false}, {2, 3, 2, 6, 24, true},  {2, 5, 2, 6, 40, true},
    {3, 3, 2, 6, 80, false}, {3, 5, 1, 6, 112, true}, {4, 5, 2, 6, 192, false},
    {1, 3, 1, 6, 320, true},
};

nn::Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups = 1) {
  const int64_t padding = stride == 1 ? kernel / 2 : 0;  // else PadSame has done it
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding).groups(groups));
}

// TensorFlow's padding of a convolution with stride 2 over an even size.
torch::Tensor PadSame(const torch::Tensor& x, int64_t kernel) {
  const int64_t before = (kernel - 2) / 2, after = kernel - 2 - before;
  return at::constant_pad_nd(x, {before, after, before, after});
}

torch::Tensor Relu6(torch::Tensor x) { return at::hardtanh_(x, 0, 6); }

}  // namespace

InvertedResidualImpl::InvertedResidualImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                           int64_t expand)
    : kernel_(kernel), stride_(stride), residual_(stride == 1 && in == out) {
  const int64_t wide = in * expand;
  if (expand != 1) expand_ = register_module("expand", Conv(in, wide, 1, 1));
  depthwise_ = register_module("depthwise", Conv(wide, wide, kernel, stride, wide));
  project_ = register_module("project", Conv(wide, out, 1, 1));
}

torch::Tensor InvertedResidualImpl::forward(const torch::Tensor& x) {
  torch::Tensor y = expand_.is_empty() ? x : Relu6(expand_->forward(x));
  if (stride_ == 2) y = PadSame(y, kernel_);
  y = project_->forward(Relu6(depthwise_->forward(y)));
  return residual_ ? y + x : y;
}

EfficientNetLiteImpl::EfficientNetLiteImpl() {
  stem_ = register_module("stem", Conv(3, kStemChannels, 3, 2));
  auto blocks = std::make_shared<nn::Module>();
  int64_t in = kStemChannels;
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.repeats; ++i) {
      blocks_.push_back(blocks->register_module(
          std::to_string(blocks_.size()),
          InvertedResidual(in, stage.out, stage.kernel, i == 0 ? stage.stride : 1, stage.expand)));
      in = stage.out;
    }
    if (!stage.last_of_stride) continue;
    ends_.push_back(blocks_.size() - 1);
    channels_.push_back(stage.out);
  }
  register_module("blocks", blocks);
}

std::vector<torch::Tensor> EfficientNetLiteImpl::EarlyStages(const torch::Tensor& images) {
  const torch::Tensor pixels = (PixelsOf(images) - kLitePixelMean) / kLitePixelScale;
  torch::Tensor x = Relu6(stem_->forward(PadSame(pixels, 3)));
  std::vector<torch::Tensor> features;
  for (size_t i = 0; i <= ends_[2]; ++i) {
    x = blocks_[i]->forward(x);
    if (i == ends_[features.size()]) features.push_back(x);
  }
  return features;
}

torch::Tensor EfficientNetLiteImpl::LastStage(const torch::Tensor& c4) {
  torch::Tensor x = c4;
  for (size_t i = ends_[2] + 1; i < blocks_.size(); ++i) x = blocks_[i]->forward(x);
  return x;
}

std::vector<nn::Module*> EfficientNetLiteImpl::last_stage() {
  std::vector<nn::Module*> modules;
  for (size_t i = ends_[2] + 1; i < blocks_.size(); ++i) modules.push_back(blocks_[i].get());
  return modules;
}

namespace {

class Folding {
 public:
  explicit Folding(const std::map<std::string, torch::Tensor>& state) : state_(state) {}

  // y = g (w x - mean) / sqrt(var + eps) + b, as one convolution.
  void Fold(const std::string& conv, const std::string& norm, const std::string& name) {
    const torch::Tensor scale =
        Get(norm + ".weight") * at::rsqrt(Get(norm + ".running_var") + kNormEpsilon);
    folded_[name + ".weight"] =
        (Get(conv + ".weight") * scale.view({-1, 1, 1, 1})).to(torch::kFloat);
    folded_[name + ".bias"] =
        (Get(norm + ".bias") - Get(norm + ".running_mean") * scale).to(torch::kFloat);
  }

  std::map<std::string, torch::Tensor> Result() { return std::move(folded_); }

 private:
  torch::Tensor Get(const std::string& name) const {
    const auto found = state_.find(name);
    if (found == state_.end()) throw std::runtime_error("tensor " + name + " is missing");
    return found->second.to(torch::kDouble);
  }

  const std::map<std::string, torch::Tensor>& state_;
  std::map<std::string, torch::Tensor> folded_;
};

}  // namespace

std::map<std::string, torch::Tensor> FoldedEfficientNetLite(
    const std::map<std::string, torch::Tensor>& state) {
  c10::NoGradGuard no_grad;
  Folding folding(state);
  folding.Fold("_conv_stem", "_bn0", "stem");
  int block = 0;
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.repeats; ++i, ++block) {
      const std::string from = "_blocks." + std::to_string(block) + ".";
      const std::string to = "blocks." + std::to_string(block) + ".";
      if (stage.expand != 1) folding.Fold(from + "_expand_conv", from + "_bn0", to + "expand");
      folding.Fold(from + "_depthwise_conv", from + "_bn1", to + "depthwise");
      folding.Fold(from + "_project_conv", from + "_bn2", to + "project");
    }
  }
  return folding.Result();
}

}  // namespace mgral::core
