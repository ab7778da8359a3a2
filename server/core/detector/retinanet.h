#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/core/detector/network.h"

namespace mgral::core {

// A trunk, a feature pyramid (Lin et al. 2017) and two heads. Tensors are named as in torchvision's
// retinanet_resnet50_fpn: backbone.body, backbone.fpn, head.classification_head,
// head.regression_head. Weights are random from `seed`: He's, but N(0, 0.01) for the last layers,
// and a class bias such that every anchor starts at 0.01.
class RetinaNet : public Network {
 public:
  RetinaNet(const DetectorConfig& config, uint64_t seed);

  RawOutput Forward(const NetInput& input) override;
  std::vector<std::vector<Detection>> Detections(const RawOutput& output, const NetInput& input,
                                                 const PredictConfig& config) const override;
  at::Tensor Loss(const NetInput& input, const Targets& targets, double shares,
                  const TrainConfig& config) override;
  at::Tensor Anchors(int64_t height, int64_t width) const override;
  std::vector<int64_t> LevelAnchors(int64_t height, int64_t width) const override;

 private:
  class Modules;

  RetinaNet(const DetectorConfig& config, std::shared_ptr<Modules> modules);

  std::shared_ptr<Modules> modules_;
};

// The anchors of a pyramid's levels, and how many are each level's: see Network.
at::Tensor PyramidAnchors(const DetectorConfig& config, int64_t height, int64_t width);
std::vector<int64_t> PyramidLevelAnchors(const DetectorConfig& config, int64_t height,
                                         int64_t width);

}  // namespace mgral::core
