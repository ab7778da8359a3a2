#include "server/core/detector/mobilenet_v3.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>

namespace mgral::core {

namespace nn = torch::nn;

namespace {

using Activation = ConvNormImpl::Activation;

// Table 1 of the paper.
struct Bottleneck {
  int64_t kernel, expanded, out;
  bool squeeze;
  Activation activation;
  int64_t stride;
};
constexpr Activation kRE = Activation::kRelu, kHS = Activation::kHardSwish;
constexpr Bottleneck kBottlenecks[] = {
    {3, 16, 16, false, kRE, 1},  {3, 64, 24, false, kRE, 2},  {3, 72, 24, false, kRE, 1},
    {5, 72, 40, true, kRE, 2},   {5, 120, 40, true, kRE, 1},  {5, 120, 40, true, kRE, 1},
    {3, 240, 80, false, kHS, 2}, {3, 200, 80, false, kHS, 1}, {3, 184, 80, false, kHS, 1},
    {3, 184, 80, false, kHS, 1}, {3, 480, 112, true, kHS, 1}, {3, 672, 112, true, kHS, 1},
    {5, 672, 160, true, kHS, 2}, {5, 960, 160, true, kHS, 1}, {5, 960, 160, true, kHS, 1}};
constexpr int64_t kFirst = 16, kLast = 960;  // channels of the first and the last convolution
constexpr size_t kEnds[] = {3, 6, 12};       // the features that C2, C3 and C4 are
constexpr double kEpsilon = 1e-3, kMomentum = 0.01;  // of the norms

nn::Conv2dOptions Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                              int64_t groups = 1) {
  return nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).groups(groups);
}

// The nearest multiple of 8, but not less than nine tenths.
int64_t DivisibleBy8(int64_t channels) {
  const int64_t nearest = std::max<int64_t>(8, (channels + 4) / 8 * 8);
  return nearest * 10 < channels * 9 ? nearest + 8 : nearest;
}

// Scales channels by what the mean of all of them says (Hu et al. 2017).
class SqueezeExcitationImpl : public nn::Module {
 public:
  explicit SqueezeExcitationImpl(int64_t channels) {
    const int64_t squeezed = DivisibleBy8(channels / 4);
    fc1_ = register_module("fc1", nn::Conv2d(Convolution(channels, squeezed, 1)));
    fc2_ = register_module("fc2", nn::Conv2d(Convolution(squeezed, channels, 1)));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return x * at::hardsigmoid(fc2_->forward(fc1_->forward(x.mean({2, 3}, true)).relu_()));
  }

 private:
  nn::Conv2d fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(SqueezeExcitation);

class InvertedBottleneckImpl : public nn::Module {
 public:
  InvertedBottleneckImpl(int64_t in, const Bottleneck& b)
      : residual_(b.stride == 1 && in == b.out) {
    if (b.expanded != in) block_->push_back(ConvNorm(Convolution(in, b.expanded, 1), b.activation));
    block_->push_back(ConvNorm(Convolution(b.expanded, b.expanded, b.kernel, b.stride, b.expanded),
                               b.activation));
    if (b.squeeze) block_->push_back(SqueezeExcitation(b.expanded));
    block_->push_back(ConvNorm(Convolution(b.expanded, b.out, 1), Activation::kNone));
    register_module("block", block_);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = block_->forward(x);
    return residual_ ? y + x : y;
  }

 private:
  bool residual_;
  nn::Sequential block_;
};
TORCH_MODULE(InvertedBottleneck);

}  // namespace

ConvNormImpl::ConvNormImpl(const nn::Conv2dOptions& conv, Activation activation)
    : conv_(register_module("0", nn::Conv2d(nn::Conv2dOptions(conv).bias(false)))),
      norm_(register_module(
          "1", nn::BatchNorm2d(
                   nn::BatchNorm2dOptions(conv.out_channels()).eps(kEpsilon).momentum(kMomentum)))),
      activation_(activation) {}

torch::Tensor ConvNormImpl::forward(const torch::Tensor& x) {
  torch::Tensor y = norm_->forward(conv_->forward(x));
  if (activation_ == Activation::kRelu) return y.relu_();
  return activation_ == Activation::kHardSwish ? at::hardswish(y) : y;
}

MobileNetV3Impl::MobileNetV3Impl() {
  const auto add = [&](auto module) {
    features_.push_back(nn::Sequential(module));
    register_module(std::to_string(features_.size() - 1), std::move(module));
  };
  add(ConvNorm(Convolution(3, kFirst, 3, 2), Activation::kHardSwish));
  int64_t in = kFirst;
  for (const Bottleneck& b : kBottlenecks) {
    add(InvertedBottleneck(in, b));
    in = b.out;
  }
  add(ConvNorm(Convolution(in, kLast, 1), Activation::kHardSwish));
  for (size_t end : kEnds) channels_.push_back(kBottlenecks[end - 1].out);
  channels_.push_back(kLast);
}

std::vector<torch::Tensor> MobileNetV3Impl::EarlyStages(const torch::Tensor& images) {
  std::vector<torch::Tensor> stages;
  torch::Tensor x = images;
  for (size_t i = 0; i <= kEnds[2]; ++i) {
    x = features_[i]->forward(x);
    if (i == kEnds[stages.size()]) stages.push_back(x);
  }
  return stages;
}

torch::Tensor MobileNetV3Impl::LastStage(const torch::Tensor& c4) {
  torch::Tensor x = c4;
  for (size_t i = kEnds[2] + 1; i < features_.size(); ++i) x = features_[i]->forward(x);
  return x;
}

std::vector<nn::Module*> MobileNetV3Impl::last_stage() {
  std::vector<nn::Module*> modules;
  for (size_t i = kEnds[2] + 1; i < features_.size(); ++i) modules.push_back(features_[i].get());
  return modules;
}

}  // namespace mgral::core
