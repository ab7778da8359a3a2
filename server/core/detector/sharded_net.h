#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <vector>

#include "server/core/detector/retinanet.h"
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
  ShardedNet(RetinaNetImpl& net, int64_t shards, Workers& workers);

  int64_t shards() const { return static_cast<int64_t>(nets_.size()); }

  // Calls loss(net, shard) for every shard, in parallel, goes backward from what it returns, leaves
  // the summed gradients in `net` and the mean of the batch statistics in all. Returns the sum of
  // the losses. Does not step: exceptions leave the parameters unchanged.
  double Backward(const std::function<torch::Tensor(RetinaNetImpl&, int64_t)>& loss);

  // Hands the batch statistics of `net` to the replicas, after `net` was given others.
  void CopyStatistics();

  // Training mode for batch norm or not.
  void Train(bool on);

 private:
  void MergeStatistics();

  RetinaNetImpl& net_;
  Workers& workers_;
  std::vector<std::shared_ptr<RetinaNetImpl>> replicas_;
  std::vector<RetinaNetImpl*> nets_;                              // net_, then the replicas
  std::vector<std::vector<at::Tensor>> parameters_, statistics_;  // of each net
};

// First and one-past-last of `count` items in shard `shard`.
inline std::pair<int64_t, int64_t> ShardRange(int64_t count, int64_t shards, int64_t shard) {
  return {count * shard / shards, count * (shard + 1) / shards};
}

// Forward without gradients, a part of the batch at a time, spread over the workers; at once on a
// GPU. `images` may be on any device, the result is on the net's.
RawOutput ForwardInParallel(RetinaNetImpl& net, const torch::Tensor& images, Workers& workers);

}  // namespace mgral::core
