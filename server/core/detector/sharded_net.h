#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/losses.h"
#include "server/core/detector/network.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/workers.h"

namespace mgral::core {

// Splits every minibatch into shards, each run forward and backward by one thread with its own
// batch statistics (see Workers for why). The number of shards decides the result; the number of
// threads does not. On a GPU one thread runs the shards one after another: what they compute stays
// the same, and the GPU is busy with one.
class ShardedNet {
 public:
  // `net` and `workers` must outlive it. Replicas share the net's parameters and its device, which
  // must not change.
  ShardedNet(Network& net, int64_t shards, Workers& workers);

  int64_t shards() const { return static_cast<int64_t>(nets_.size()); }

  // Calls loss(net, shard) for every shard, in parallel, goes backward from what it returns, leaves
  // the summed gradients in `net` and the mean of the batch statistics in all. Returns the sum of
  // the losses. Does not step: exceptions leave the parameters unchanged.
  double Backward(const std::function<at::Tensor(Network&, int64_t)>& loss);

  // Hands the batch statistics of `net` to the replicas, after `net` was given others.
  void CopyStatistics();

  // Training mode for batch norm or not.
  void Train(bool on);

 private:
  void MergeStatistics();

  Network& net_;
  Workers& workers_;
  std::vector<std::unique_ptr<Network>> replicas_;
  std::vector<Network*> nets_;                                    // net_, then the replicas
  std::vector<std::vector<at::Tensor>> parameters_, statistics_;  // of each net
};

// First and one-past-last of `count` items in shard `shard`.
inline std::pair<int64_t, int64_t> ShardRange(int64_t count, int64_t shards, int64_t shard) {
  return {count * shard / shards, count * (shard + 1) / shards};
}

// Forward without gradients, a part of the batch at a time, spread over the workers; at once on a
// GPU. `input` may be on any device, the result is on the net's.
RawOutput ForwardInParallel(Network& net, const NetInput& input, Workers& workers);

// A labeled minibatch cut in shards, with its anchors and targets; made on the CPU, then moved to
// the detector's device.
class ShardedBatch {
 public:
  ShardedBatch(const Minibatch& batch, const Detector& detector, const TrainConfig& config,
               int64_t shards, Workers& workers, const at::Tensor& class_weights = {});

  // L_supervised of one shard as its share of the whole minibatch's. Thread-safe.
  at::Tensor Loss(Network& net, int64_t shard, const TrainConfig& config) const;

 private:
  std::vector<NetInput> inputs_;
  std::vector<Targets> targets_;
  double shares_ = 0;  // Targets::share of all of it
};

// ClassWeights from the objects of a whole set; undefined if config does not balance.
at::Tensor CountedClassWeights(SampleSource& samples, int num_classes, const TrainConfig& config);

}  // namespace mgral::core
