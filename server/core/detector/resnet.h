#pragma once

#include <torch/nn.h>

#include <vector>

namespace mgral::core {

// ResNet (He et al. 2015) without its classifier, with torchvision's module names: conv1, bn1,
// layer1 .. layer4. `width` multiplies every channel count (rounded to multiples of 8).
class ResNetImpl : public torch::nn::Module {
 public:
  // depth: 18, 34, 50, 101.
  ResNetImpl(int depth, double width);

  // [B, 3, H, W] float -> {C2, C3, C4, C5} of strides 4, 8, 16, 32.
  std::vector<torch::Tensor> forward(const torch::Tensor& images);

  // Channels of C2 .. C5.
  const std::vector<int64_t>& channels() const { return channels_; }

  // Where the parameters are.
  c10::Device device() const { return conv1_->weight.device(); }

 private:
  torch::nn::Sequential MakeLayer(bool bottleneck, int64_t* in, int64_t planes, int blocks,
                                  int64_t stride, double width);

  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<torch::nn::Sequential> layers_;
  std::vector<int64_t> channels_;
};
TORCH_MODULE(ResNet);

}  // namespace mgral::core
