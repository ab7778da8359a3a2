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
  std::vector<std::string> plain_names;
  std::set<std::string> norms;  // modules with running statistics
  for (const auto& [name, buffer] : net.Buffers()) norms.insert(name.substr(0, name.rfind('.')));
  for (const auto& [name, parameter] : net.Parameters()) {
    if (!parameter.requires_grad()) continue;
    const bool weight = parameter.dim() > 1;
    const size_t dot = name.rfind('.');
    const bool norm = norms.count(name.substr(0, dot == std::string::npos ? 0 : dot)) > 0;
    if (!config.train_batch_norm && norm) continue;
    (weight ? decayed_ : plain_).push_back(parameter);
    (weight ? names_ : plain_names).push_back(name);
  }
  names_.insert(names_.end(), plain_names.begin(), plain_names.end());
  for (const auto* group : {&decayed_, &plain_}) {
    for (const at::Tensor& p : *group) {
      momentum_.push_back(at::zeros_like(p));
      if (config.optimizer == OptimizerKind::kAdamW) square_.push_back(at::zeros_like(p));
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
  std::vector<at::Tensor> parameters = decayed_;
  parameters.insert(parameters.end(), plain_.begin(), plain_.end());
  std::vector<at::Tensor> gradients;
  for (at::Tensor& p : parameters) {
    if (!p.grad().defined()) p.mutable_grad() = at::zeros_like(p);
    gradients.push_back(p.grad());
  }
  if (config_.gradient_clip > 0) {
    double square = 0;
    const at::Tensor norms = at::stack(at::_foreach_norm(gradients)).cpu();  // one wait for the GPU
    const float* each = norms.data_ptr<float>();
    for (int64_t i = 0; i < norms.numel(); ++i) square += std::pow(double{each[i]}, 2);
    const double norm = std::sqrt(square);
    if (norm > config_.gradient_clip) at::_foreach_mul_(gradients, config_.gradient_clip / norm);
  }
  if (config_.optimizer == OptimizerKind::kAdamW) {
    StepAdamW(parameters, gradients, learning_rate, step);
  } else {
    StepSgd(parameters, gradients, learning_rate);
  }
  at::_foreach_zero_(gradients);
  const double decay = std::min(config_.ema_decay, (1.0 + step) / (10.0 + step));
  for (auto& [name, average] : average_) average.lerp_(tracked_.at(name), 1 - decay);
}

void Optimizer::StepSgd(const Tensors& parameters, const Tensors& gradients, double learning_rate) {
  if (config_.weight_decay > 0 && !decayed_.empty()) {
    const std::vector<at::Tensor> weights(gradients.begin(), gradients.begin() + decayed_.size());
    at::_foreach_add_(weights, decayed_, config_.weight_decay);
  }
  at::_foreach_mul_(momentum_, config_.momentum);
  at::_foreach_add_(momentum_, gradients, 1);
  if (config_.nesterov) {
    at::_foreach_add_(gradients, momentum_, config_.momentum);
    at::_foreach_add_(parameters, gradients, -learning_rate);
  } else {
    at::_foreach_add_(parameters, momentum_, -learning_rate);
  }
}

void Optimizer::StepAdamW(const Tensors& parameters, const Tensors& gradients, double learning_rate,
                          int64_t step) {
  if (config_.weight_decay > 0 && !decayed_.empty()) {
    at::_foreach_mul_(decayed_, 1 - learning_rate * config_.weight_decay);
  }
  at::_foreach_mul_(momentum_, kBeta1);
  at::_foreach_add_(momentum_, gradients, 1 - kBeta1);
  at::_foreach_mul_(square_, kBeta2);
  at::_foreach_addcmul_(square_, gradients, gradients, 1 - kBeta2);
  const double steps = static_cast<double>(step + 1);
  const double unbiased = std::sqrt(1 - std::pow(kBeta2, steps));
  const Tensors deviation = at::_foreach_sqrt(square_);
  at::_foreach_add_(deviation, kAdamEpsilon * unbiased);
  at::_foreach_addcdiv_(parameters, momentum_, deviation,
                        -learning_rate * unbiased / (1 - std::pow(kBeta1, steps)));
}

void Optimizer::UseAverage() {
  c10::NoGradGuard no_grad;
  for (auto& [name, average] : average_) tracked_.at(name).copy_(average);
}

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> state;
  for (size_t i = 0; i < names_.size(); ++i) {
    state["momentum." + names_[i]] = momentum_[i];
    if (!square_.empty()) state["square." + names_[i]] = square_[i];
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
