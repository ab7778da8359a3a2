#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/core/detector/network_modules.h"

namespace mgral::core {

namespace nn = torch::nn;

namespace {

nn::BatchNorm2d Norm(int64_t channels, double epsilon) {
  return nn::BatchNorm2d(nn::BatchNorm2dOptions(channels).eps(epsilon));
}

// Two 3x3 convolutions (ResNet-18, 34), or 1x1, 3x3, 1x1 with four times the channels (50, 101).
class BlockImpl : public nn::Module {
 public:
  BlockImpl(bool bottleneck, int64_t in, int64_t planes, int64_t out, int64_t stride,
            double epsilon) {
    const auto add = [this, epsilon](int i, nn::Conv2d conv, int64_t channels) {
      convs_.push_back(register_module("conv" + std::to_string(i), std::move(conv)));
      norms_.push_back(register_module("bn" + std::to_string(i), Norm(channels, epsilon)));
    };
    if (bottleneck) {
      add(1, MakeConv(in, planes, 1, 1, false), planes);
      add(2, MakeConv(planes, planes, 3, stride, false), planes);
      add(3, MakeConv(planes, out, 1, 1, false), out);
    } else {
      add(1, MakeConv(in, planes, 3, stride, false), planes);
      add(2, MakeConv(planes, out, 3, 1, false), out);
    }
    if (stride != 1 || in != out) {
      downsample_ = register_module(
          "downsample", nn::Sequential(MakeConv(in, out, 1, stride, false), Norm(out, epsilon)));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i]->forward(convs_[i]->forward(y));
      if (i + 1 < convs_.size()) y = y.relu_();
    }
    return (y + (downsample_.is_empty() ? x : downsample_->forward(x))).relu_();
  }

 private:
  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_{nullptr};
};
TORCH_MODULE(Block);

}  // namespace

ResNetImpl::ResNetImpl(int depth, double width, double epsilon) {
  static const std::map<int, std::vector<int>> kBlocks = {
      {18, {2, 2, 2, 2}}, {34, {3, 4, 6, 3}}, {50, {3, 4, 6, 3}}, {101, {3, 4, 23, 3}}};
  const bool bottleneck = depth >= 50;
  int64_t in = Scaled(64, width);
  conv1_ = register_module("conv1", MakeConv(3, in, 7, 2, false));
  bn1_ = register_module("bn1", Norm(in, epsilon));
  const std::vector<int>& blocks = kBlocks.at(depth);
  for (int i = 0; i < 4; ++i) {
    layers_.push_back(register_module(
        "layer" + std::to_string(i + 1),
        MakeLayer(bottleneck, &in, int64_t{64} << i, blocks[i], i == 0 ? 1 : 2, width, epsilon)));
    channels_.push_back(in);
  }
}

torch::nn::Sequential ResNetImpl::MakeLayer(bool bottleneck, int64_t* in, int64_t planes,
                                            int blocks, int64_t stride, double width,
                                            double epsilon) {
  nn::Sequential layer;
  const int64_t out = Scaled(bottleneck ? planes * 4 : planes, width);
  for (int i = 0; i < blocks; ++i) {
    layer->push_back(
        Block(bottleneck, *in, Scaled(planes, width), out, i == 0 ? stride : 1, epsilon));
    *in = out;
  }
  return layer;
}

std::vector<torch::Tensor> ResNetImpl::EarlyStages(const torch::Tensor& images) {
  torch::Tensor x = bn1_->forward(conv1_->forward(images)).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  std::vector<torch::Tensor> features;
  for (int i = 0; i < 3; ++i) features.push_back(x = layers_[i]->forward(x));
  return features;
}

}  // namespace mgral::core
