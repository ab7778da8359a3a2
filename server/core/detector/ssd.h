#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/core/detector/network.h"

namespace mgral::core {

// SSD300 (Liu et al. 2016): VGG-16 and convolutions behind it, a classifier and a regressor on each
// of six levels. Tensors are named as in torchvision's ssd300_vgg16: backbone.scale_weight,
// backbone.features, backbone.extra, head.classification_head, head.regression_head. Its anchors
// are the paper's default boxes, 8732 of them.
class Ssd : public Network {
 public:
  Ssd(const DetectorConfig& config, uint64_t seed);

  RawOutput Forward(const NetInput& input) override;
  std::vector<std::vector<Detection>> Detections(const RawOutput& output, const NetInput& input,
                                                 const PredictConfig& config) const override;
  // Cross-entropy of the objects' anchors and, in each image, of three times as many that are
  // background and lose most; smooth L1 of the boxes; divided by the number of the former.
  at::Tensor Loss(const NetInput& input, const Targets& targets, double shares,
                  const TrainConfig& config) override;
  at::Tensor Anchors(int64_t height, int64_t width) const override;
  std::vector<int64_t> LevelAnchors(int64_t height, int64_t width) const override;

 private:
  class Modules;
  struct Losses;

  Ssd(const DetectorConfig& config, std::shared_ptr<Modules> modules);

  static Losses LossesOf(const RawOutput& output, const Targets& targets);

  std::shared_ptr<Modules> modules_;
};

// Channels of the six levels.
std::vector<int64_t> SsdChannels(const DetectorConfig& config);

}  // namespace mgral::core
