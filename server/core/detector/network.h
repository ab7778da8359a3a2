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
#include "server/core/detector/sample.h"
#include "server/core/detector/targets.h"
#include "server/core/geometry/box.h"

namespace mgral::core {

class NetworkModules;

// What goes into a network: images, or what its trunk made of them.
struct NetInput {
  at::Tensor images;  // float [B, 3, H, W], normalized (preprocess.h), channels_last
  // Or float [B, C, h, w] of each of the trunk's levels from C`min_level`, channels_last.
  std::vector<at::Tensor> features;
  int64_t height = 0, width = 0;  // of the canvas: H and W
  std::vector<BoxF> content;      // each image's own part of the canvas; empty: all of it

  int64_t size() const { return images.defined() ? images.size(0) : features.at(0).size(0); }
  BoxF ContentOf(int64_t image) const;
  NetInput Slice(int64_t first, int64_t last) const;
  NetInput To(c10::Device device) const;
};

// What a network says of a batch. A: all anchors of all levels, finest level first, ordered as
// Network::Anchors orders them, or Faster R-CNN's proposals. K: the classes, and for SSD and Faster
// R-CNN background before them.
struct RawOutput {
  at::Tensor logits;                   // [B, A, K]
  at::Tensor deltas;                   // [B, A, 4], see DecodeBoxes; Faster R-CNN: [B, A, 4 K]
  std::vector<at::Tensor> features;    // the levels that it looks at, [B, C, h, w]
  std::vector<int64_t> level_anchors;  // anchors of each level, their sum is A
  // Faster R-CNN's proposals [B, A, 4], best first, filled up with boxes of zeros.
  at::Tensor proposals;
};

// A network for detection: everything that differs between RetinaNet, Faster R-CNN and SSD, and
// what they share. Tensors are named as in torchvision's detectors. Begins on the CPU, not in
// training mode, with random weights from a seed.
//
// Torch's modules stay behind this class, so that whoever uses it need not compile them. Tensors
// that it hands out are its own, not copies. Functions that only look (Forward, Features) may run
// in several threads at once when not in training mode; everything else needs it alone.
class Network {
 public:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  virtual ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // ---- predict. `input` is on device().
  virtual RawOutput Forward(const NetInput& input) = 0;
  RawOutput ForwardImages(const at::Tensor& images);
  // Of each image after suppression, in pixels of the canvas, best first. Scores and boxes are
  // computed on the output's device, candidates are picked on the CPU.
  virtual std::vector<std::vector<Detection>> Detections(const RawOutput& output,
                                                         const NetInput& input,
                                                         const PredictConfig& config) const = 0;

  // ---- loss
  // What the images of a canvas are to look like, on the CPU. `class_weights`: ClassWeights, or
  // undefined. `draw`: seeds what is drawn at random, if anything is.
  virtual Targets MakeTargets(const std::vector<Sample>& labels, int64_t height, int64_t width,
                              const TrainConfig& config, const at::Tensor& class_weights,
                              uint64_t draw) const;
  // Of images of a minibatch whose parts' Targets::share add up to `shares`: what they contribute
  // to its loss, a scalar. `targets` is on device().
  virtual at::Tensor Loss(const NetInput& input, const Targets& targets, double shares,
                          const TrainConfig& config) = 0;

  // ---- features: what NetInput::features are of images. Those of a frozen trunk, or of its part
  // that is frozen (DetectorConfig).
  std::vector<at::Tensor> Features(const at::Tensor& images);

  // [A, 4] on the CPU, for a canvas of that size; made anew by each call. Faster R-CNN: those that
  // its proposals are made from.
  virtual at::Tensor Anchors(int64_t height, int64_t width) const = 0;
  // How many of them are each level's, finest first.
  virtual std::vector<int64_t> LevelAnchors(int64_t height, int64_t width) const = 0;

  // ---- the tensors
  // In the order of the modules. Buffers: running statistics of the norms. Those that training
  // changes are the ones that require gradients.
  NamedTensors Parameters() const;
  NamedTensors Buffers() const;
  // Parameters and buffers by name; those that Features depends on.
  std::map<std::string, at::Tensor> State() const;
  std::map<std::string, at::Tensor> FeatureState() const;
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

 protected:
  Network(const DetectorConfig& config, std::shared_ptr<NetworkModules> modules);

 private:
  DetectorConfig config_;
  std::shared_ptr<NetworkModules> modules_;
};

// The network of that configuration.
std::unique_ptr<Network> MakeNetwork(const DetectorConfig& config, uint64_t seed);

}  // namespace mgral::core
