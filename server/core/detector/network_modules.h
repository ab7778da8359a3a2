#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/network.h"

// The modules that networks are made of. Include it only in their own sources and in those of the
// networks: torch's modules take longer to compile than everything else of the detector.

namespace mgral::core {

// Channels of a network made narrower: a multiple of 8, at least 8.
int64_t Scaled(int64_t channels, double width);

// With "same" padding.
torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias);

// A 3x3 convolution, or its separable form: a 3x3 per channel, then a 1x1. `bias`: of the last.
std::vector<torch::nn::Conv2d> MakeConv3x3(int64_t in, int64_t out, bool separable, bool bias);

// A module that only gives its children a name.
class GroupImpl : public torch::nn::Module {
 public:
  template <typename M>
  M Add(const std::string& name, M module) {
    return register_module(name, std::move(module));
  }
};
TORCH_MODULE(Group);

// What turns images into features: a network made for classification, without its classifier.
class TrunkImpl : public torch::nn::Module {
 public:
  // [B, 3, H, W] float, normalized (NormalizeImage), H and W multiples of 32 -> {C2, C3, C4} of
  // strides 4, 8, 16.
  virtual std::vector<torch::Tensor> EarlyStages(const torch::Tensor& images) = 0;
  // C4 -> C5 of stride 32, and the modules that make it.
  virtual torch::Tensor LastStage(const torch::Tensor& c4) = 0;
  virtual std::vector<torch::nn::Module*> last_stage() = 0;

  // {C2, C3, C4, C5}.
  std::vector<torch::Tensor> forward(const torch::Tensor& images);

  // Channels of C2 .. C5.
  const std::vector<int64_t>& channels() const { return channels_; }

 protected:
  std::vector<int64_t> channels_;
};

// The trunk of that configuration, its weights not yet initialized.
std::shared_ptr<TrunkImpl> MakeTrunk(const DetectorConfig& config);

// ResNet (He et al. 2015) without its classifier, with torchvision's module names: conv1, bn1,
// layer1 .. layer4. `width` multiplies every channel count (rounded to multiples of 8).
class ResNetImpl : public TrunkImpl {
 public:
  // depth: 18, 34, 50, 101. `epsilon`: of the norms.
  ResNetImpl(int depth, double width, double epsilon);

  std::vector<torch::Tensor> EarlyStages(const torch::Tensor& images) override;
  torch::Tensor LastStage(const torch::Tensor& c4) override { return layers_[3]->forward(c4); }
  std::vector<torch::nn::Module*> last_stage() override { return {layers_[3].get()}; }

 private:
  torch::nn::Sequential MakeLayer(bool bottleneck, int64_t* in, int64_t planes, int blocks,
                                  int64_t stride, double width, double epsilon);

  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<torch::nn::Sequential> layers_;
};
TORCH_MODULE(ResNet);

// Feature pyramid (Lin et al. 2017) with torchvision's names: inner_blocks.i.0, layer_blocks.i.0,
// extra_blocks.p6, .p7. Faster R-CNN's P6 is every second position of P5.
class PyramidImpl : public torch::nn::Module {
 public:
  // `in`: channels of the levels from C`min_level` to C5.
  PyramidImpl(const std::vector<int64_t>& in, const DetectorConfig& config);
  std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& features);

 private:
  // What one of inner_ or layer_ makes of a level.
  torch::Tensor Convolved(torch::nn::Sequential& convs, const torch::Tensor& map);

  bool subsampled_p6_;
  bool as_rows_;  // computes by level_rows.h where it is on a CPU
  std::vector<torch::nn::Sequential> inner_, layer_;
  std::vector<torch::nn::Conv2d> extra_;
};
TORCH_MODULE(Pyramid);

// All modules of a network; a trunk and a pyramid where it has them.
class NetworkModules : public torch::nn::Module {
 public:
  TrunkImpl* body() { return body_.get(); }

  // Of its frozen part, see Network::Features.
  std::vector<torch::Tensor> Features(const torch::Tensor& images);
  // The pyramid over images or their features.
  std::vector<torch::Tensor> PyramidLevels(const NetInput& input);

  // Puts them on the CPU, in evaluation mode, channels last, with what is frozen without gradients.
  void Prepare(const DetectorConfig& config);
  // The parameters and buffers that Features depends on.
  torch::OrderedDict<std::string, torch::Tensor> FeatureTensors();

 protected:
  // Registers `backbone` with its trunk and pyramid.
  void AddBackbone(const DetectorConfig& config);

  // Random weights: He's for a trunk, LeCun's for a pyramid, and for the rest those of the standard
  // deviation that `deviation` gives for a name and its numbers of inputs and outputs. Biases
  // become 0, all else 1.
  using Deviation = std::function<double(const std::string& name, double fan_in, double fan_out)>;
  void Initialize(uint64_t seed, const Deviation& deviation);

 private:
  std::shared_ptr<TrunkImpl> body_;
  Pyramid pyramid_{nullptr};
  int min_level_ = 3;
  bool trained_last_stage_ = false;
};

// [B, anchors * outputs, h, w] of a convolution -> [B, h * w * anchors, outputs]; free for
// channels_last.
torch::Tensor PerAnchor(const torch::Tensor& maps, int64_t outputs);

// Convolutions shared by all levels, then `last_name` with `outputs` numbers per anchor.
class HeadImpl : public torch::nn::Module {
 public:
  HeadImpl(const DetectorConfig& config, const std::string& last_name, int64_t outputs);
  // The pyramid's levels -> of each [B, positions * anchors_per_position, outputs].
  std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& levels);

 private:
  torch::Tensor OneLevel(const torch::Tensor& features, size_t level);

  int64_t outputs_;
  bool as_rows_;  // computes by level_rows.h where it is on a CPU
  std::vector<std::vector<torch::nn::Conv2d>> convs_;
  std::vector<std::vector<torch::nn::BatchNorm2d>> norms_;  // [conv][level]; empty: none
  torch::nn::Conv2d last_{nullptr};
};
TORCH_MODULE(Head);

}  // namespace mgral::core
