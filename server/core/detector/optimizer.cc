#include "server/core/detector/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kAdamEpsilon = 1e-8;  // as published

}  // namespace

double LearningRateAt(const TrainConfig& config, int64_t step) {
  double rate = config.learning_rate;
  if (step < config.warmup_steps) rate *= (step + 1.0) / config.warmup_steps;
  const double done = static_cast<double>(step) / std::max<int64_t>(1, config.steps);
  if (config.schedule == Schedule::kStep) {
    return rate * (done < 2.0 / 3 ? 1 : done < 8.0 / 9 ? 0.1 : 0.01);
  }
  const double low = config.final_learning_rate;
  return rate * (low + (1 - low) * 0.5 * (1 + std::cos(std::acos(-1.0) * done)));
}

Optimizer::Optimizer(Network& net, const TrainConfig& config) : config_(config) {
  std::set<std::string> norms;  // modules with running statistics
  for (const auto& [name, buffer] : net.Buffers()) norms.insert(name.substr(0, name.rfind('.')));
  groups_.resize(config.trunk_rate == 1 ? 1 : 2);
  groups_.back().rate = config.trunk_rate;
  for (bool decay : {true, false}) {
    for (const auto& [name, parameter] : net.Parameters()) {
      if (!parameter.requires_grad() || (parameter.dim() > 1) != decay) continue;
      if (!config.train_batch_norm && norms.count(name.substr(0, name.rfind('.'))) > 0) continue;
      const bool trunk = name.rfind("backbone.body.", 0) == 0;
      Group& group = trunk ? groups_.back() : groups_.front();
      group.parameters.push_back(parameter);
      group.names.push_back(name);
      if (decay) ++group.decayed;
    }
  }
  for (Group& group : groups_) {
    for (const at::Tensor& p : group.parameters) {
      group.momentum.push_back(at::zeros_like(p));
      if (config.optimizer == OptimizerKind::kAdamW) group.square.push_back(at::zeros_like(p));
    }
  }
  if (config.ema_decay <= 0) return;
  const auto track = [this](const std::string& name, const at::Tensor& tensor) {
    tracked_[name] = tensor.detach();
    average_[name] = tracked_[name].clone();
  };
  for (const auto& [name, parameter] : net.Parameters()) {
    if (parameter.requires_grad()) track(name, parameter);
  }
  for (const auto& [name, buffer] : net.Buffers()) {
    if (buffer.is_floating_point()) track(name, buffer);
  }
}

void Optimizer::Step(double learning_rate, int64_t step) {
  c10::NoGradGuard no_grad;
  std::vector<Tensors> gradients;
  Tensors all;
  for (Group& group : groups_) {
    gradients.emplace_back();
    for (at::Tensor& p : group.parameters) {
      if (!p.grad().defined()) p.mutable_grad() = at::zeros_like(p);
      gradients.back().push_back(p.grad());
      all.push_back(p.grad());
    }
  }
  if (config_.gradient_clip > 0) {
    double square = 0;
    const at::Tensor norms = at::stack(at::_foreach_norm(all)).cpu();  // one wait for the GPU
    const float* each = norms.data_ptr<float>();
    for (int64_t i = 0; i < norms.numel(); ++i) square += std::pow(double{each[i]}, 2);
    const double norm = std::sqrt(square);
    if (norm > config_.gradient_clip) at::_foreach_mul_(all, config_.gradient_clip / norm);
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].parameters.empty()) continue;
    const double rate = learning_rate * groups_[g].rate;
    if (config_.optimizer == OptimizerKind::kAdamW) {
      StepAdamW(groups_[g], gradients[g], rate, step);
    } else {
      StepSgd(groups_[g], gradients[g], rate);
    }
  }
  at::_foreach_zero_(all);
  const double decay = std::min(config_.ema_decay, (1.0 + step) / (10.0 + step));
  for (auto& [name, average] : average_) average.lerp_(tracked_.at(name), 1 - decay);
}

void Optimizer::StepSgd(const Group& group, const Tensors& gradients, double learning_rate) const {
  if (config_.weight_decay > 0 && group.decayed > 0) {
    const Tensors weights(gradients.begin(), gradients.begin() + group.decayed);
    const Tensors decayed(group.parameters.begin(), group.parameters.begin() + group.decayed);
    at::_foreach_add_(weights, decayed, config_.weight_decay);
  }
  at::_foreach_mul_(group.momentum, config_.momentum);
  at::_foreach_add_(group.momentum, gradients, 1);
  if (config_.nesterov) {
    at::_foreach_add_(gradients, group.momentum, config_.momentum);
    at::_foreach_add_(group.parameters, gradients, -learning_rate);
  } else {
    at::_foreach_add_(group.parameters, group.momentum, -learning_rate);
  }
}

void Optimizer::StepAdamW(const Group& group, const Tensors& gradients, double learning_rate,
                          int64_t step) const {
  if (config_.weight_decay > 0 && group.decayed > 0) {
    const Tensors decayed(group.parameters.begin(), group.parameters.begin() + group.decayed);
    at::_foreach_mul_(decayed, 1 - learning_rate * config_.weight_decay);
  }
  at::_foreach_mul_(group.momentum, kBeta1);
  at::_foreach_add_(group.momentum, gradients, 1 - kBeta1);
  at::_foreach_mul_(group.square, kBeta2);
  at::_foreach_addcmul_(group.square, gradients, gradients, 1 - kBeta2);
  const double steps = static_cast<double>(step + 1);
  const double unbiased = std::sqrt(1 - std::pow(kBeta2, steps));
  const Tensors deviation = at::_foreach_sqrt(group.square);
  at::_foreach_add_(deviation, kAdamEpsilon * unbiased);
  at::_foreach_addcdiv_(group.parameters, group.momentum, deviation,
                        -learning_rate * unbiased / (1 - std::pow(kBeta1, steps)));
}

void Optimizer::UseAverage() {
  c10::NoGradGuard no_grad;
  for (auto& [name, average] : average_) tracked_.at(name).copy_(average);
}

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> state;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      state["momentum." + group.names[i]] = group.momentum[i];
      if (!group.square.empty()) state["square." + group.names[i]] = group.square[i];
    }
  }
  for (const auto& [name, average] : average_) state["average." + name] = average;
  return state;
}

void Optimizer::SetState(const std::map<std::string, at::Tensor>& state) {
  for (auto& [name, tensor] : State()) {
    const auto given = state.find(name);
    if (given == state.end() || given->second.sizes() != tensor.sizes()) {
      throw std::runtime_error("optimizer state lacks " + name);
    }
    tensor.copy_(given->second);
  }
}

}  // namespace mgral::core
