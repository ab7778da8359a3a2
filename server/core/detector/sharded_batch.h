#pragma once

#include <vector>

#include "server/core/detector/augment.h"
#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/retinanet.h"
#include "server/core/detector/targets.h"
#include "server/core/detector/workers.h"

namespace mgral::core {

// A labelled minibatch cut in shards, with its anchors and targets; made on the CPU, then moved to
// the detector's device.
class ShardedBatch {
 public:
  ShardedBatch(const Minibatch& batch, const Detector& detector, const TrainConfig& config,
               int64_t shards, Workers& workers, const torch::Tensor& class_weights = {});

  // L_supervised of one shard as its share of the whole minibatch's. Thread-safe.
  torch::Tensor Loss(RetinaNetImpl& net, int64_t shard, const TrainConfig& config) const;

 private:
  std::vector<torch::Tensor> images_;
  std::vector<Targets> targets_;
  double positives_ = 0;
};

// ClassWeights from the objects of a whole set; undefined if config does not balance.
torch::Tensor CountedClassWeights(SampleSource& samples, int num_classes,
                                  const TrainConfig& config);

}  // namespace mgral::core
