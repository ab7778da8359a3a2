#include "server/core/detector/resnet.h"

#include <cmath>
#include <map>
#include <string>

namespace mgral::core {
namespace {

namespace nn = torch::nn;

nn::Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

int64_t Scaled(int64_t channels, double width) {
  return std::max<int64_t>(8, std::lround(channels * width / 8) * 8);
}

// Two 3x3 convolutions (ResNet-18, 34), or 1x1, 3x3, 1x1 with four times the channels (50, 101).
class BlockImpl : public nn::Module {
 public:
  BlockImpl(bool bottleneck, int64_t in, int64_t planes, int64_t out, int64_t stride) {
    const auto add = [this](int i, nn::Conv2d conv, int64_t channels) {
      convs_.push_back(register_module("conv" + std::to_string(i), std::move(conv)));
      norms_.push_back(register_module("bn" + std::to_string(i), nn::BatchNorm2d(channels)));
    };
    if (bottleneck) {
      add(1, Conv(in, planes, 1, 1), planes);
      add(2, Conv(planes, planes, 3, stride), planes);
      add(3, Conv(planes, out, 1, 1), out);
    } else {
      add(1, Conv(in, planes, 3, stride), planes);
      add(2, Conv(planes, out, 3, 1), out);
    }
    if (stride != 1 || in != out) {
      downsample_ = register_module("downsample",
                                    nn::Sequential(Conv(in, out, 1, stride), nn::BatchNorm2d(out)));
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

ResNetImpl::ResNetImpl(int depth, double width) {
  static const std::map<int, std::vector<int>> kBlocks = {
      {18, {2, 2, 2, 2}}, {34, {3, 4, 6, 3}}, {50, {3, 4, 6, 3}}, {101, {3, 4, 23, 3}}};
  const bool bottleneck = depth >= 50;
  int64_t in = Scaled(64, width);
  conv1_ = register_module(
      "conv1", nn::Conv2d(nn::Conv2dOptions(3, in, 7).stride(2).padding(3).bias(false)));
  bn1_ = register_module("bn1", nn::BatchNorm2d(in));
  const std::vector<int>& blocks = kBlocks.at(depth);
  for (int i = 0; i < 4; ++i) {
    layers_.push_back(register_module(
        "layer" + std::to_string(i + 1),
        MakeLayer(bottleneck, &in, int64_t{64} << i, blocks[i], i == 0 ? 1 : 2, width)));
    channels_.push_back(in);
  }
}

torch::nn::Sequential ResNetImpl::MakeLayer(bool bottleneck, int64_t* in, int64_t planes,
                                            int blocks, int64_t stride, double width) {
  nn::Sequential layer;
  const int64_t out = Scaled(bottleneck ? planes * 4 : planes, width);
  for (int i = 0; i < blocks; ++i) {
    layer->push_back(Block(bottleneck, *in, Scaled(planes, width), out, i == 0 ? stride : 1));
    *in = out;
  }
  return layer;
}

std::vector<torch::Tensor> ResNetImpl::forward(const torch::Tensor& images) {
  torch::Tensor x = bn1_->forward(conv1_->forward(images)).relu_();
  x = torch::max_pool2d(x, 3, 2, 1);
  std::vector<torch::Tensor> features;
  for (nn::Sequential& layer : layers_) features.push_back(x = layer->forward(x));
  return features;
}

}  // namespace mgral::core
