#include "server/core/detector/train.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <future>
#include <sstream>
#include <stdexcept>

#include "server/core/detector/net_inputs.h"
#include "server/core/detector/network.h"
#include "server/core/detector/optimizer.h"
#include "server/core/detector/sample.h"
#include "server/core/detector/sharded_net.h"
#include "server/core/weights/weights_file.h"

namespace mgral::core {
namespace {

constexpr char kOptimizer[] = "optimiser";  // as checkpoints have always spelled it
constexpr double kLossMemory = 0.98;        // of the running mean

// Everything but the samples themselves that decides what training gives.
std::string Signature(const DetectorConfig& detector, const TrainConfig& c, int64_t images) {
  std::ostringstream out;
  out.precision(17);
  out << ToString(detector) << " images=" << images << " steps=" << c.steps
      << " batch=" << c.batch_size << " lr=" << c.learning_rate << " warmup=" << c.warmup_steps
      << " schedule=" << static_cast<int>(c.schedule) << " final=" << c.final_learning_rate
      << " momentum=" << c.momentum << " nesterov=" << c.nesterov << " decay=" << c.weight_decay
      << " clip=" << c.gradient_clip << " ema=" << c.ema_decay << " bn=" << c.train_batch_norm
      << " balance=" << c.class_balance << " focal=" << c.focal_alpha << "," << c.focal_gamma
      << " box=" << static_cast<int>(c.box_loss) << "," << c.box_loss_weight << ","
      << c.smooth_l1_beta << " iou=" << c.positive_iou << "," << c.negative_iou
      << " augment=" << c.mirror << "," << c.scale_min << "," << c.scale_max << "," << c.brightness
      << "," << c.contrast << "," << c.saturation << " shards=" << c.shards << " seed=" << c.seed;
  // Unsaid where it was once the only way, so that checkpoints of that time still fit.
  if (c.optimizer != OptimizerKind::kSgd) out << " optimizer=adamw";
  if (c.assignment != Assignment::kOverlap) out << " assignment=adaptive";
  if (detector.architecture == Architecture::kFasterRcnn) {
    out << " sampled=" << c.sampled_anchors << "," << c.sampled_proposals;
  }
  if (detector.frozen_trunk) out << " views=" << c.views;
  return out.str();
}

class Trainer {
 public:
  Trainer(Detector& detector, SampleSource& samples, const TrainConfig& config, FeatureCache* cache)
      : detector_(detector),
        cache_(cache),
        workers_(config.shards),
        net_(detector.net(), config.shards, workers_),
        config_(config),
        signature_(Signature(detector.config(), config, samples.size())),
        minibatches_(samples, detector.config().num_classes, config.seed, kLabeledOrder),
        optimizer_(detector.net(), config) {
    class_weights_ = CountedClassWeights(samples, detector.config().num_classes, config);
    net_.Train(config.train_batch_norm);
  }
  // Evaluation mode in any case, also when stopped.
  ~Trainer() {
    detector_.net().SetTraining(false);
    detector_.net().ClearGradients();
  }

  int64_t step() const { return step_; }
  double loss() const { return loss_; }

  void RunStep() {
    const ShardedBatch batch = NextBatch();
    const double value =
        net_.Backward([&](Network& net, int64_t shard) { return batch.Loss(net, shard, config_); });
    if (!std::isfinite(value)) {
      throw std::runtime_error("training diverged: the loss of step " + std::to_string(step_) +
                               " is not finite; lower the learning rate");
    }
    optimizer_.Step(LearningRateAt(config_, step_), step_);
    loss_ = step_ == 0 ? value : kLossMemory * loss_ + (1 - kLossMemory) * value;
    ++step_;
  }

  void Save(const std::string& path) const {
    TensorFile file;
    file.texts["training"] = signature_;
    file.groups["weights"] = detector_.net().State();
    file.groups[kOptimizer] = optimizer_.State();
    file.groups["progress"] = {{"step", at::tensor(step_, at::kLong)},
                               {"loss", at::tensor(loss_, at::kDouble)}};
    WriteTensorFile(path, file);
  }

  void Resume(const std::string& path) {
    TensorFile file = ReadTensorFile(path);
    if (file.texts["training"] != signature_) {
      throw std::runtime_error(FileName(path) + " is a checkpoint of another training (\"" +
                               file.texts["training"] + "\", not \"" + signature_ + "\")");
    }
    detector_.net().SetState(file.groups["weights"]);
    net_.CopyStatistics();
    optimizer_.SetState(file.groups[kOptimizer]);
    step_ = file.groups["progress"].at("step").item<int64_t>();
    loss_ = file.groups["progress"].at("loss").item<double>();
  }

  void Finish() { optimizer_.UseAverage(); }

 private:
  ShardedBatch Prepare(int64_t step, Workers& workers) {
    const std::vector<Sample> samples =
        minibatches_.Get(step * config_.batch_size, config_.batch_size);
    const NetInputs inputs(detector_, cache_, workers);
    return {inputs.Augmented(samples, config_, kLabeledAugment, step),
            detector_,
            config_,
            net_.shards(),
            workers,
            class_weights_};
  }

  // A GPU leaves the CPU's cores to the images: while it works on one batch they prepare the next.
  std::future<ShardedBatch> PrepareAhead(int64_t step) {
    return std::async(std::launch::async, [this, step] {
      Workers workers(config_.batch_size);
      return Prepare(step, workers);
    });
  }

  ShardedBatch NextBatch() {
    // The features of a frozen trunk are the GPU's work, too.
    const bool ahead = !detector_.device().is_cpu() && !detector_.config().frozen_trunk;
    if (!ahead) return Prepare(step_, workers_);
    if (!next_.valid()) next_ = PrepareAhead(step_);
    ShardedBatch batch = next_.get();
    if (step_ + 1 < config_.steps) next_ = PrepareAhead(step_ + 1);
    return batch;
  }

  Detector& detector_;
  FeatureCache* const cache_;
  Workers workers_;
  ShardedNet net_;
  const TrainConfig config_;
  const std::string signature_;
  Minibatches minibatches_;
  at::Tensor class_weights_;
  Optimizer optimizer_;
  int64_t step_ = 0;
  double loss_ = 0;
  std::future<ShardedBatch> next_;  // destroyed first, which waits for it
};

}  // namespace

TrainReport Train(Detector& detector, SampleSource& samples, const TrainConfig& config,
                  const CheckpointConfig& checkpoint, const TrainProgressFn& progress,
                  FeatureCache* cache) {
  CheckConfig(config);
  if (samples.size() == 0) throw std::invalid_argument("there are no images to train on");
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto seconds = [start] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  Trainer trainer(detector, samples, config, cache);
  TrainReport report;
  report.steps = config.steps;
  if (!checkpoint.path.empty() && std::ifstream(checkpoint.path).good()) {
    trainer.Resume(checkpoint.path);
    report.resumed_at = trainer.step();
  }
  while (trainer.step() < config.steps) {
    trainer.RunStep();
    report.images_seen += config.batch_size;
    const int64_t step = trainer.step();
    if (!checkpoint.path.empty() &&
        (step % std::max<int64_t>(1, checkpoint.every_steps) == 0 || step == config.steps)) {
      trainer.Save(checkpoint.path);
    }
    if (progress && !progress({step, config.steps, trainer.loss(),
                               report.images_seen / std::max(1e-9, seconds())})) {
      throw Canceled();
    }
  }
  trainer.Finish();
  report.loss = trainer.loss();
  report.seconds = seconds();
  return report;
}

}  // namespace mgral::core
