#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/network_modules.h"

namespace mgral::core {

// Convolution, norm and activation of MobileNetV3, named "0" and "1".
class ConvNormImpl : public torch::nn::Module {
 public:
  enum class Activation { kNone, kRelu, kHardSwish };
  ConvNormImpl(const torch::nn::Conv2dOptions& conv, Activation activation);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  Activation activation_;
};
TORCH_MODULE(ConvNorm);

// MobileNetV3-Large (Howard et al. 2019) without its classifier. Layers are named as
// torchvision numbers its features, 0 .. 16. C2 .. C5 are the last features of their strides.
class MobileNetV3Impl : public TrunkImpl {
 public:
  MobileNetV3Impl();

  std::vector<torch::Tensor> EarlyStages(const torch::Tensor& images) override;
  torch::Tensor LastStage(const torch::Tensor& c4) override;
  std::vector<torch::nn::Module*> last_stage() override;

 private:
  std::vector<torch::nn::Sequential> features_;
};
TORCH_MODULE(MobileNetV3);

}  // namespace mgral::core
