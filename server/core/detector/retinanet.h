#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/core/detector/config.h"

namespace mgral::core {

// What goes into the network: images, or what its trunk made of them.
struct NetInput {
  at::Tensor images;  // float [B, 3, H, W], normalized (preprocess.h), channels_last
  // Or float [B, C, h, w] of each of the trunk's levels from C`min_level`, channels_last.
  std::vector<at::Tensor> features;
  int64_t height = 0, width = 0;  // of the canvas: H and W, multiples of 32

  int64_t size() const { return images.defined() ? images.size(0) : features.at(0).size(0); }
  NetInput Slice(int64_t first, int64_t last) const;
  NetInput To(c10::Device device) const;
};

// What the network says of a batch; A: all anchors of all levels, finest level first, ordered as
// MakeAnchors orders them.
struct RawOutput {
  at::Tensor logits;                   // [B, A, C]
  at::Tensor deltas;                   // [B, A, 4], see DecodeBoxes
  std::vector<at::Tensor> features;    // pyramid levels [B, pyramid_channels, h, w]
  std::vector<int64_t> level_anchors;  // anchors of each level, their sum is A
};

// The network: a ResNet, a feature pyramid (Lin et al. 2017) and two heads. Tensors are named as in
// torchvision's retinanet_resnet50_fpn: backbone.body, backbone.fpn, head.classification_head,
// head.regression_head. Weights are random from `seed`: He's, but N(0, 0.01) for the last layers,
// and a class bias such that every anchor starts at 0.01. Begins on the CPU, not in training mode.
//
// Torch's modules stay behind this class, so that whoever uses it need not compile them. Tensors
// that it hands out are its own, not copies. Forward may run in several threads at once when not in
// training mode; everything else needs it alone.
class RetinaNet {
 public:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  RetinaNet(const DetectorConfig& config, uint64_t seed);
  ~RetinaNet();
  RetinaNet(const RetinaNet&) = delete;
  RetinaNet& operator=(const RetinaNet&) = delete;

  // `input` is on device(). Images alone are given as a tensor, too.
  RawOutput Forward(const NetInput& input);
  RawOutput Forward(const at::Tensor& images);
  // What NetInput::features are of images.
  std::vector<at::Tensor> Features(const at::Tensor& images);

  // [A, 4] on the CPU, for a canvas of that size; made anew by each call.
  at::Tensor Anchors(int64_t height, int64_t width) const;
  // How many of them are each level's, finest first.
  std::vector<int64_t> LevelAnchors(int64_t height, int64_t width) const;

  // In the order of the modules. Buffers: running statistics of the norms. Those that training
  // changes are the ones that require gradients: all, or without a frozen trunk's.
  NamedTensors Parameters() const;
  NamedTensors Buffers() const;

  // Parameters and buffers by name.
  std::map<std::string, at::Tensor> State() const;
  // Copies `state` in. Throws std::runtime_error naming the first tensor that is missing, unknown
  // or of another shape; nothing has changed then.
  void SetState(const std::map<std::string, at::Tensor>& state);

  // Puts a trunk's weights in: `state` as of its module alone. Throws as SetState.
  void SetTrunk(const std::map<std::string, at::Tensor>& state);

  void SetTraining(bool on);  // of the norms, but not of a frozen trunk's
  bool training() const;
  void ClearGradients();

  // Not while something uses it. Throws c10::Error if the device is not there or is full.
  void MoveTo(c10::Device device);
  c10::Device device() const;

  const DetectorConfig& config() const { return config_; }

 private:
  class Modules;

  DetectorConfig config_;
  std::shared_ptr<Modules> modules_;
};

}  // namespace mgral::core
