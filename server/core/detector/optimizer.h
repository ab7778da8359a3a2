#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/network.h"

namespace mgral::core {

// Stochastic gradient descent with (Nesterov) momentum, or AdamW (Loshchilov and Hutter 2019);
// weight decay on the weights proper, and a limit on the gradient's norm; optionally an exponential
// average of the weights. Its state is plain tensors, so that a checkpoint holds all of it.
class Optimizer {
 public:
  // `net` must outlive it. Parameters that require no gradient are left alone, and those of batch
  // norms if config says so.
  Optimizer(Network& net, const TrainConfig& config);

  // Step number `step` (from 0) from the gradients of the last backward pass, which it clears.
  void Step(double learning_rate, int64_t step);

  // Puts the averaged weights in, if there are any.
  void UseAverage();

  // Momentum and averages; SetState copies in what State gave.
  std::map<std::string, at::Tensor> State() const;
  void SetState(const std::map<std::string, at::Tensor>& state);

 private:
  using Tensors = std::vector<at::Tensor>;

  // Parameters with one learning rate.
  struct Group {
    double rate = 1;     // share of the learning rate
    Tensors parameters;  // first `decayed` with weight decay, then those without
    size_t decayed = 0;
    std::vector<std::string> names;  // of parameters
    Tensors momentum;                // likewise
    Tensors square;                  // AdamW's second moments, likewise
  };

  void StepSgd(const Group& group, const Tensors& gradients, double learning_rate) const;
  void StepAdamW(const Group& group, const Tensors& gradients, double learning_rate,
                 int64_t step) const;

  TrainConfig config_;
  std::vector<Group> groups_;  // the trunk's last, where it has a rate of its own
  std::map<std::string, at::Tensor> tracked_, average_;
};

// Learning rate of step `step` (from 0).
double LearningRateAt(const TrainConfig& config, int64_t step);

}  // namespace mgral::core
