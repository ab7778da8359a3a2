#pragma once

#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/network_modules.h"

namespace mgral::core {

// One inverted residual (Sandler et al. 2018): a 1x1 convolution that widens, one per channel, a
// 1x1 that narrows. Convolutions of stride 2 are padded as TensorFlow does, more at the right and
// at the bottom, for the published weights are TensorFlow's.
class InvertedResidualImpl : public torch::nn::Module {
 public:
  // `expand`: by how much the first convolution widens; 1: there is none.
  InvertedResidualImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t expand);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  int64_t kernel_, stride_;
  bool residual_;
  torch::nn::Conv2d expand_{nullptr}, depthwise_{nullptr}, project_{nullptr};
};
TORCH_MODULE(InvertedResidual);

// EfficientNet-Lite0 (Tan and Le 2019; the Lite variant has no squeeze-and-excitation, and ReLU6)
// without its classifier. Batch norms are folded into the convolutions: what is left is
// convolutions with biases, named stem and blocks.N.{expand, depthwise, project}.
class EfficientNetLiteImpl : public TrunkImpl {
 public:
  EfficientNetLiteImpl();

  // As every trunk; pixels are brought to (pixel - 127.5) / 128 first, as these weights expect.
  std::vector<torch::Tensor> EarlyStages(const torch::Tensor& images) override;
  torch::Tensor LastStage(const torch::Tensor& c4) override;
  std::vector<torch::nn::Module*> last_stage() override;

 private:
  torch::nn::Conv2d stem_{nullptr};
  std::vector<InvertedResidual> blocks_;
  std::vector<size_t> ends_;  // the blocks whose outputs are C2 .. C5
};
TORCH_MODULE(EfficientNetLite);

}  // namespace mgral::core
