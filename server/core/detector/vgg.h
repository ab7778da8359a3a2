#pragma once

#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/core/detector/network_modules.h"

namespace mgral::core {

// Layers of torchvision's vgg16().features from number `first` to before `last`, registered by
// their number less `first`: 3x3 convolutions each followed by a ReLU, and poolings that halve.
class VggLayersImpl : public torch::nn::Module {
 public:
  // `width` multiplies the channels (rounded to multiples of 8). `ceil_third_pooling`: an odd size
  // is halved upwards there, as SSD does.
  VggLayersImpl(double width, int first, int last, bool ceil_third_pooling = false);

  // Layers `from` .. `to` - 1, by torchvision's numbers.
  torch::Tensor forward(torch::Tensor x, int from, int to);
  int64_t channels() const { return channels_; }  // of the last convolution

 private:
  std::map<int, torch::nn::Conv2d> convs_;
  bool ceil_third_pooling_;
  int64_t channels_ = 3;
};
TORCH_MODULE(VggLayers);

// VGG-16 (Simonyan and Zisserman 2014) without its classifier. Layers are named as
// torchvision numbers its features, 0 .. 28. C2 .. C4 are the last features of strides 4, 8 and 16,
// C5 is C4 pooled.
class VggImpl : public TrunkImpl {
 public:
  explicit VggImpl(double width);

  std::vector<torch::Tensor> EarlyStages(const torch::Tensor& images) override;
  torch::Tensor LastStage(const torch::Tensor& c4) override;
  std::vector<torch::nn::Module*> last_stage() override { return {}; }

 private:
  VggLayers layers_;
};
TORCH_MODULE(Vgg);

}  // namespace mgral::core
