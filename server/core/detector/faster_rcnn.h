#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/core/detector/network.h"

namespace mgral::core {

// Faster R-CNN (Ren et al. 2015) on a feature pyramid: a first stage that proposes regions, and two
// linear layers over each region's features (ROIAlign, 7 x 7). Tensors are named as in
// torchvision's fasterrcnn_resnet50_fpn: backbone.body, backbone.fpn, rpn.head, roi_heads.box_head,
// roi_heads.box_predictor; the linear layers have four times the pyramid's channels.
class FasterRcnn : public Network {
 public:
  FasterRcnn(const DetectorConfig& config, uint64_t seed);

  RawOutput Forward(const NetInput& input) override;
  std::vector<std::vector<Detection>> Detections(const RawOutput& output, const NetInput& input,
                                                 const PredictConfig& config) const override;
  // Sampled anchors for the first stage; the second's depend on what is proposed.
  Targets MakeTargets(const std::vector<Sample>& labels, int64_t height, int64_t width,
                      const TrainConfig& config, const at::Tensor& class_weights,
                      uint64_t draw) const override;
  // Torchvision's four losses added up: means over what was sampled of the part, which counts by
  // its number of images. The classes' weights are in the second stage's.
  at::Tensor Loss(const NetInput& input, const Targets& targets, double shares,
                  const TrainConfig& config) override;
  at::Tensor Anchors(int64_t height, int64_t width) const override;
  std::vector<int64_t> LevelAnchors(int64_t height, int64_t width) const override;

 private:
  class Modules;
  struct FirstStage;   // what it says of all anchors
  struct SecondStage;  // what it says of each region

  FasterRcnn(const DetectorConfig& config, std::shared_ptr<Modules> modules);

  FirstStage RunFirst(const std::vector<at::Tensor>& levels) const;
  // regions: [n, 4] of each image, on the CPU.
  SecondStage RunSecond(const std::vector<at::Tensor>& levels,
                        const std::vector<at::Tensor>& regions) const;
  std::vector<at::Tensor> Propose(const FirstStage& first, const NetInput& input,
                                  int64_t limit) const;

  std::shared_ptr<Modules> modules_;
};

}  // namespace mgral::core
