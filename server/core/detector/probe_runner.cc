#include "server/core/detector/probe_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "server/core/detector/net_inputs.h"
#include "server/core/detector/optimizer.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/sharded_net.h"

namespace mgral::core {
namespace {

// w(t) of Laine and Aila 2017: rises as exp(-5 (1 - t)^2), then stays.
double ConsistencyWeight(const ProbeConfig& config, int64_t step) {
  const double ramp = std::max(1.0, config.rampup * static_cast<double>(config.train.steps));
  const double t = std::min(1.0, (step + 1) / ramp);
  return config.consistency_weight * std::exp(-5 * (1 - t) * (1 - t));
}

class Probe {
 public:
  Probe(Detector& detector, SampleSource& labeled, SampleSource* unlabeled_batch,
        SampleSource* labeled_batch, const ProbeConfig& config, FeatureCache* cache)
      : detector_(detector),
        config_(config),
        workers_(config.train.shards),
        inputs_(detector, cache, workers_),
        net_(detector.net(), config.train.shards, workers_),
        labeled_(labeled, detector.config().num_classes, config.train.seed, kLabeledOrder),
        optimizer_(detector.net(), config.train) {
    class_weights_ = CountedClassWeights(labeled, detector.config().num_classes, config.train);
    net_.Train(false);  // batch norm is frozen
    for (SampleSource* batch : {unlabeled_batch, labeled_batch}) {
      if (batch == nullptr || batch->size() == 0) continue;
      batch_.emplace_back(*batch, detector.config().num_classes, config.train.seed, kBatchOrder);
      consistency_ = batch == unlabeled_batch;
    }
  }

  void RunStep(int64_t step) {
    const TrainConfig& train = config_.train;
    const int64_t size = train.batch_size, from_batch = std::max<int64_t>(1, size / 2);
    // The first half is the control's own whatever the kind, and so are its augmentations.
    std::vector<Sample> samples = labeled_.Get(step * size, size);
    if (!batch_.empty() && !consistency_) {
      const std::vector<Sample> labeled_batch = batch_[0].Get(step * from_batch, from_batch);
      std::copy(labeled_batch.begin(), labeled_batch.end(), samples.end() - from_batch);
    }
    const ShardedBatch supervised(inputs_.Augmented(samples, train, kLabeledAugment, step),
                                  detector_, train, net_.shards(), workers_, class_weights_);
    NetInputs::MirrorPair pair;
    if (consistency_) {
      std::vector<Sample> unlabeled = batch_[0].Get(step * from_batch, from_batch);
      for (Sample& s : unlabeled) s.boxes = s.labels = s.ignore = at::Tensor();
      for (Sample& s : unlabeled) s = CheckedSample(s, 1, "unlabeled sample");
      pair = inputs_.AugmentedPair(unlabeled, train, kBatchAugment, step);
      pair = {pair.plain.To(detector_.device()), pair.mirror.To(detector_.device())};
    }
    const double weight = ConsistencyWeight(config_, step);
    const double loss = net_.Backward([&](Network& net, int64_t shard) {
      const at::Tensor labeled_loss = supervised.Loss(net, shard, train);
      if (!consistency_) return labeled_loss;
      return labeled_loss + weight * Consistency(net, pair, shard);
    });
    if (!std::isfinite(loss)) throw std::runtime_error("probe diverged: the loss is not finite");
    optimizer_.Step(LearningRateAt(train, step), step);
  }

  void Finish() { optimizer_.UseAverage(); }

 private:
  // The shard's share of the mean over the batch.
  at::Tensor Consistency(Network& net, const NetInputs::MirrorPair& pair, int64_t shard) const {
    const int64_t count = pair.plain.size();
    const auto [first, last] = ShardRange(count, net_.shards(), shard);
    if (first == last) return at::zeros({}, at::TensorOptions(detector_.device()));
    const at::Tensor loss = net.Consistency(
        pair.plain.Slice(first, last), pair.mirror.Slice(first, last), config_.foreground_score);
    return loss * (static_cast<double>(last - first) / count);
  }

  Detector& detector_;
  const ProbeConfig config_;
  Workers workers_;
  NetInputs inputs_;
  ShardedNet net_;
  Minibatches labeled_;
  at::Tensor class_weights_;        // of `labeled` for every kind: the control must not differ
  std::vector<Minibatches> batch_;  // none or one
  bool consistency_ = false;
  Optimizer optimizer_;
};

}  // namespace

ProbeOutcome RunProbe(const Detector& start, SampleSource& labeled, SampleSource* unlabeled_batch,
                      SampleSource* labeled_batch, SampleSource& validation,
                      const ProbeConfig& config, const ProgressFn& progress, FeatureCache* cache) {
  if (unlabeled_batch != nullptr && labeled_batch != nullptr) {
    throw std::invalid_argument("a probe takes one batch, unlabeled or labeled, not both");
  }
  ProbeConfig frozen = config;
  frozen.train.train_batch_norm = false;
  CheckConfig(frozen.train);
  if (labeled.size() == 0) throw std::invalid_argument("a probe needs labeled images");
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  Detector detector = start.Clone();
  {
    Probe probe(detector, labeled, unlabeled_batch, labeled_batch, frozen, cache);
    for (int64_t step = 0; step < frozen.train.steps; ++step) {
      probe.RunStep(step);
      if (progress && !progress((step + 1.0) / (frozen.train.steps + 1))) throw Canceled();
    }
    probe.Finish();
  }
  detector.net().ClearGradients();
  ProbeOutcome outcome;
  outcome.class_ap50 = Evaluate(detector, validation, frozen.predict, {}, cache).class_ap50;
  outcome.class_loss = ValidationLoss(detector, validation, frozen.train, cache);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return outcome;
}

}  // namespace mgral::core
