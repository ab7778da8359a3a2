#include "server/core/detector/sharded_batch.h"

#include "server/core/detector/losses.h"
#include "server/core/detector/sharded_net.h"

namespace mgral::core {

ShardedBatch::ShardedBatch(const Minibatch& batch, const Detector& detector,
                           const TrainConfig& config, int64_t shards, Workers& workers)
    : images_(shards), targets_(shards) {
  const int64_t count = batch.images.size(0);
  const torch::Tensor anchors = detector.net().Anchors(batch.images.size(2), batch.images.size(3));
  workers.Run(shards, [&](int64_t s) {
    const auto [first, last] = ShardRange(count, shards, s);
    images_[s] = batch.images.slice(0, first, last);
    targets_[s] = AssignTargets(
        std::vector<Sample>(batch.labels.begin() + first, batch.labels.begin() + last), anchors,
        detector.config().num_classes, config);
  });
  for (const Targets& t : targets_) positives_ += static_cast<double>(t.positives.size(0));
}

torch::Tensor ShardedBatch::Loss(RetinaNetImpl& net, int64_t shard,
                                 const TrainConfig& config) const {
  const SupervisedLoss parts =
      ComputeSupervisedLoss(net.forward(images_[shard]), targets_[shard], positives_, config);
  return parts.classes + parts.boxes;
}

}  // namespace mgral::core
