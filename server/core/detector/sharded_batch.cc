#include "server/core/detector/sharded_batch.h"

#include <string>

#include "server/core/detector/losses.h"
#include "server/core/detector/sharded_net.h"

namespace mgral::core {

torch::Tensor CountedClassWeights(SampleSource& samples, int num_classes,
                                  const TrainConfig& config) {
  if (config.class_balance <= 0) return {};
  std::vector<int64_t> counts(num_classes, 0);
  for (int64_t i = 0; i < samples.size(); ++i) {
    const Sample s = CheckedSample(samples.Get(i), num_classes, "sample " + std::to_string(i));
    for (int64_t j = 0; j < s.labels.size(0); ++j) {
      if (!s.ignore[j].item<bool>()) ++counts[s.labels[j].item<int64_t>()];
    }
  }
  return ClassWeights(counts, config.class_balance);
}

ShardedBatch::ShardedBatch(const Minibatch& batch, const Detector& detector,
                           const TrainConfig& config, int64_t shards, Workers& workers,
                           const torch::Tensor& class_weights)
    : images_(shards), targets_(shards) {
  const int64_t count = batch.images.size(0);
  const torch::Tensor images = batch.images.to(detector.device());
  const torch::Tensor anchors = detector.net().Anchors(batch.images.size(2), batch.images.size(3));
  workers.Run(shards, [&](int64_t s) {
    const auto [first, last] = ShardRange(count, shards, s);
    images_[s] = images.slice(0, first, last);
    targets_[s] = AssignTargets(
        std::vector<Sample>(batch.labels.begin() + first, batch.labels.begin() + last), anchors,
        detector.config().num_classes, config);
    WeighTargets(class_weights, &targets_[s]);
  });
  for (Targets& t : targets_) {
    positives_ += class_weights.defined() ? t.box_weights.sum().item<double>()
                                          : static_cast<double>(t.positives.size(0));
    t = t.To(detector.device());
  }
}

torch::Tensor ShardedBatch::Loss(RetinaNetImpl& net, int64_t shard,
                                 const TrainConfig& config) const {
  const SupervisedLoss parts =
      ComputeSupervisedLoss(net.forward(images_[shard]), targets_[shard], positives_, config);
  return parts.classes + parts.boxes;
}

}  // namespace mgral::core
