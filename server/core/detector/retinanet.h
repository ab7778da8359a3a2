#pragma once

#include <torch/nn.h>

#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/resnet.h"

namespace mgral::core {

// What the network says of a batch; A: all anchors of all levels, finest level first, ordered as
// MakeAnchors orders them.
struct RawOutput {
  torch::Tensor logits;                 // [B, A, C]
  torch::Tensor deltas;                 // [B, A, 4], see DecodeBoxes
  std::vector<torch::Tensor> features;  // pyramid levels [B, pyramid_channels, h, w]
  std::vector<int64_t> level_anchors;   // anchors of each level, their sum is A
};

// Feature pyramid (Lin et al. 2017) with torchvision's names: inner_blocks.i.0, layer_blocks.i.0,
// extra_blocks.p6, .p7.
class PyramidImpl : public torch::nn::Module {
 public:
  // `in`: channels of the levels from C`min_level` to C5.
  PyramidImpl(const std::vector<int64_t>& in, int64_t out, int extra_levels);
  std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& features);

 private:
  std::vector<torch::nn::Sequential> inner_, layer_;
  std::vector<torch::nn::Conv2d> extra_;
};
TORCH_MODULE(Pyramid);

// Convolutions shared by all levels, then `last_name` with `outputs` numbers per anchor.
class HeadImpl : public torch::nn::Module {
 public:
  HeadImpl(const DetectorConfig& config, const std::string& last_name, int64_t outputs);
  // [B, positions * anchors_per_position, outputs] of one level.
  torch::Tensor forward(const torch::Tensor& features, size_t level);

 private:
  int64_t outputs_;
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<std::vector<torch::nn::BatchNorm2d>> norms_;  // [conv][level]; empty: none
  torch::nn::Conv2d last_{nullptr};
};
TORCH_MODULE(Head);

// The network. Names as in torchvision's retinanet_resnet50_fpn: backbone.body, backbone.fpn,
// head.classification_head, head.regression_head. Weights are random from `seed`: He's, but
// N(0, 0.01) for the last layers, and a class bias such that every anchor starts at 0.01.
class RetinaNetImpl : public torch::nn::Module {
 public:
  RetinaNetImpl(const DetectorConfig& config, uint64_t seed);

  // images: float [B, 3, H, W] on device(), normalised (normalise.h), channels_last, H and W
  // multiples of 32.
  RawOutput forward(const torch::Tensor& images);

  // [A, 4] on the CPU, for a canvas of that size; made anew by each call.
  torch::Tensor Anchors(int64_t height, int64_t width) const;

  const DetectorConfig& config() const { return config_; }
  // Where the parameters are.
  c10::Device device() const { return body_->device(); }

 private:
  void Initialise(uint64_t seed);

  DetectorConfig config_;
  ResNet body_{nullptr};
  Pyramid fpn_{nullptr};
  Head classes_{nullptr}, boxes_{nullptr};
};
TORCH_MODULE(RetinaNet);

}  // namespace mgral::core
