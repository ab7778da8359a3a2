#include "server/core/detector/sharded_net.h"

#include <algorithm>

#include "server/core/detector/state.h"

namespace mgral::core {
namespace {

// Of a batch that is only looked at: fixed, so that the number of threads changes nothing.
constexpr int64_t kForwardParts = 4;

}  // namespace

ShardedNet::ShardedNet(RetinaNetImpl& net, int64_t shards, Workers& workers)
    : net_(net), workers_(workers), nets_{&net} {
  for (int64_t i = 1; i < shards; ++i) {
    replicas_.push_back(std::make_shared<RetinaNetImpl>(net.config(), 0));
    replicas_.back()->to(net.device());
    nets_.push_back(replicas_.back().get());
    SetState(*replicas_.back(), GetState(net));
  }
  for (RetinaNetImpl* shard : nets_) {
    parameters_.push_back(shard->parameters());
    statistics_.emplace_back();
    for (const torch::Tensor& b : shard->buffers()) {
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
  for (RetinaNetImpl* shard : nets_) shard->train(on);
}

double ShardedNet::Backward(const std::function<torch::Tensor(RetinaNetImpl&, int64_t)>& loss) {
  std::vector<double> values(nets_.size(), 0);
  const auto run = [&](int64_t s) {
    torch::AutoGradMode with_gradients(true);
    const torch::Tensor value = loss(*nets_[s], s);
    values[s] = value.item<double>();
    value.backward();
  };
  if (net_.device().is_cpu()) {
    workers_.Run(shards(), run);
  } else {
    for (int64_t s = 0; s < shards(); ++s) run(s);
  }
  torch::NoGradGuard no_grad;
  double sum = values[0];
  for (size_t s = 1; s < nets_.size(); ++s) {
    sum += values[s];
    for (size_t i = 0; i < parameters_[s].size(); ++i) {
      torch::Tensor& own = parameters_[s][i].mutable_grad();
      if (!own.defined()) continue;
      torch::Tensor& total = parameters_[0][i].mutable_grad();
      total = total.defined() ? total.add_(own) : own.clone();
      own.zero_();
    }
  }
  if (net_.is_training()) MergeStatistics();
  return sum;
}

void ShardedNet::MergeStatistics() {
  if (nets_.size() == 1) return;
  std::vector<at::Tensor>& mean = statistics_[0];
  for (size_t s = 1; s < nets_.size(); ++s) at::_foreach_add_(mean, statistics_[s], 1);
  at::_foreach_mul_(mean, 1.0 / static_cast<double>(nets_.size()));
  CopyStatistics();
}

void ShardedNet::CopyStatistics() {
  torch::NoGradGuard no_grad;
  for (size_t s = 1; s < nets_.size(); ++s) {
    for (size_t i = 0; i < statistics_[0].size(); ++i) {
      statistics_[s][i].copy_(statistics_[0][i]);
    }
  }
}

RawOutput ForwardInParallel(RetinaNetImpl& net, const torch::Tensor& images, Workers& workers) {
  if (!net.device().is_cpu()) {
    torch::NoGradGuard no_grad;
    return net.forward(images.to(net.device()));
  }
  const int64_t count = images.size(0), parts = std::min<int64_t>(kForwardParts, count);
  std::vector<RawOutput> outputs(parts);
  workers.Run(parts, [&](int64_t p) {
    torch::NoGradGuard no_grad;
    const auto [first, last] = ShardRange(count, parts, p);
    outputs[p] = net.forward(images.slice(0, first, last));
  });
  if (parts == 1) return outputs[0];
  torch::NoGradGuard no_grad;
  const auto join = [&](const std::function<torch::Tensor(const RawOutput&)>& part) {
    std::vector<torch::Tensor> all;
    for (const RawOutput& o : outputs) all.push_back(part(o));
    return torch::cat(all, 0);
  };
  RawOutput out;
  out.logits = join([](const RawOutput& o) { return o.logits; });
  out.deltas = join([](const RawOutput& o) { return o.deltas; });
  for (size_t level = 0; level < outputs[0].features.size(); ++level) {
    out.features.push_back(join([level](const RawOutput& o) { return o.features[level]; }));
  }
  out.level_anchors = outputs[0].level_anchors;
  return out;
}

}  // namespace mgral::core
