#include "server/core/detector/sharded_net.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <string>

namespace mgral::core {
namespace {

// Of a batch that is only looked at: fixed, so that the number of threads changes nothing.
constexpr int64_t kForwardParts = 4;

}  // namespace

ShardedNet::ShardedNet(Network& net, int64_t shards, Workers& workers)
    : net_(net), workers_(workers), nets_{&net} {
  for (int64_t i = 1; i < shards; ++i) {
    replicas_.push_back(MakeNetwork(net.config(), 0));
    replicas_.back()->MoveTo(net.device());
    nets_.push_back(replicas_.back().get());
    replicas_.back()->SetState(net.State());
  }
  for (Network* shard : nets_) {
    parameters_.emplace_back();
    for (const auto& [name, p] : shard->Parameters()) parameters_.back().push_back(p);
    statistics_.emplace_back();
    for (const auto& [name, b] : shard->Buffers()) {
      if (b.is_floating_point()) statistics_.back().push_back(b);
    }
  }
  for (size_t s = 1; s < nets_.size(); ++s) {
    for (size_t i = 0; i < parameters_[s].size(); ++i) {
      parameters_[s][i].set_data(parameters_[0][i].data());
    }
  }
}

void ShardedNet::Train(bool on) {
  for (Network* shard : nets_) shard->SetTraining(on);
}

double ShardedNet::Backward(const std::function<at::Tensor(Network&, int64_t)>& loss) {
  std::vector<double> values(nets_.size(), 0);
  const auto run = [&](int64_t s) {
    c10::AutoGradMode with_gradients(true);
    const at::Tensor value = loss(*nets_[s], s);
    values[s] = value.item<double>();
    value.backward();
  };
  if (net_.device().is_cpu()) {
    workers_.Run(shards(), run);
  } else {
    for (int64_t s = 0; s < shards(); ++s) run(s);
  }
  c10::NoGradGuard no_grad;
  double sum = values[0];
  for (size_t s = 1; s < nets_.size(); ++s) {
    sum += values[s];
    for (size_t i = 0; i < parameters_[s].size(); ++i) {
      at::Tensor& own = parameters_[s][i].mutable_grad();
      if (!own.defined()) continue;
      at::Tensor& total = parameters_[0][i].mutable_grad();
      total = total.defined() ? total.add_(own) : own.clone();
      own.zero_();
    }
  }
  if (net_.training()) MergeStatistics();
  return sum;
}

void ShardedNet::MergeStatistics() {
  if (nets_.size() == 1 || statistics_[0].empty()) return;
  std::vector<at::Tensor>& mean = statistics_[0];
  for (size_t s = 1; s < nets_.size(); ++s) at::_foreach_add_(mean, statistics_[s], 1);
  at::_foreach_mul_(mean, 1.0 / static_cast<double>(nets_.size()));
  CopyStatistics();
}

void ShardedNet::CopyStatistics() {
  c10::NoGradGuard no_grad;
  for (size_t s = 1; s < nets_.size(); ++s) {
    for (size_t i = 0; i < statistics_[0].size(); ++i) {
      statistics_[s][i].copy_(statistics_[0][i]);
    }
  }
}

RawOutput ForwardInParallel(Network& net, const NetInput& input, Workers& workers) {
  if (!net.device().is_cpu()) {
    c10::NoGradGuard no_grad;
    return net.Forward(input.To(net.device()));
  }
  const int64_t count = input.size(), parts = std::min<int64_t>(kForwardParts, count);
  std::vector<RawOutput> outputs(parts);
  workers.Run(parts, [&](int64_t p) {
    c10::NoGradGuard no_grad;
    const auto [first, last] = ShardRange(count, parts, p);
    outputs[p] = net.Forward(input.Slice(first, last));
  });
  if (parts == 1) return outputs[0];
  c10::NoGradGuard no_grad;
  const auto join = [&](const std::function<at::Tensor(const RawOutput&)>& part) {
    std::vector<at::Tensor> all;
    for (const RawOutput& o : outputs) all.push_back(part(o));
    return at::cat(all, 0);
  };
  RawOutput out;
  out.logits = join([](const RawOutput& o) { return o.logits; });
  out.deltas = join([](const RawOutput& o) { return o.deltas; });
  for (size_t level = 0; level < outputs[0].features.size(); ++level) {
    out.features.push_back(join([level](const RawOutput& o) { return o.features[level]; }));
  }
  out.level_anchors = outputs[0].level_anchors;
  if (outputs[0].proposals.defined()) {
    out.proposals = join([](const RawOutput& o) { return o.proposals; });
  }
  return out;
}

at::Tensor CountedClassWeights(SampleSource& samples, int num_classes, const TrainConfig& config) {
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
                           const at::Tensor& class_weights)
    : inputs_(shards), targets_(shards) {
  const int64_t count = batch.input.size();
  const NetInput input = batch.input.To(detector.device());
  workers.Run(shards, [&](int64_t s) {
    const auto [first, last] = ShardRange(count, shards, s);
    inputs_[s] = input.Slice(first, last);
    targets_[s] = detector.net().MakeTargets(
        std::vector<Sample>(batch.labels.begin() + first, batch.labels.begin() + last),
        input.height, input.width, config, class_weights, batch.draw + static_cast<uint64_t>(s));
  });
  for (Targets& t : targets_) {
    shares_ += t.share;
    t = t.To(detector.device());
  }
}

at::Tensor ShardedBatch::Loss(Network& net, int64_t shard, const TrainConfig& config) const {
  return net.Loss(inputs_[shard], targets_[shard], shares_, config);
}

}  // namespace mgral::core
