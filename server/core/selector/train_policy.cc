#include "server/core/selector/train_policy.h"

#include <torch/nn/module.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "server/core/lookup/estimate.h"
#include "server/core/random.h"
#include "server/core/selector/check_selection.h"
#include "server/core/selector/policy_problem.h"
#include "server/core/selector/rollout.h"

namespace mgral::core {
namespace {

constexpr int64_t kWork = 60000;  // sampled steps that a training may cost in a small pool
constexpr int64_t kFewestUpdates = 24;
constexpr int64_t kMostUpdates = 120;
constexpr double kMostGradient = 1.0;
constexpr double kClosed = -1e9;  // logit of what must not be chosen

using Tensors = std::vector<torch::Tensor>;

Tensors Unpack(const PolicyParameters& policy) {
  Tensors out;
  for (const TensorPlace& place : PolicyLayout(policy.classes)) {
    out.push_back(torch::from_blob(const_cast<float*>(&policy.values[place.offset]),
                                   {place.rows, place.cols}, torch::kFloat32)
                      .clone()
                      .set_requires_grad(true));
  }
  return out;
}

void Pack(const Tensors& tensors, PolicyParameters* policy) {
  const std::vector<TensorPlace> layout = PolicyLayout(policy->classes);
  for (size_t t = 0; t < tensors.size(); ++t) {
    const torch::Tensor values = tensors[t].detach().contiguous();
    std::copy_n(values.data_ptr<float>(), values.numel(), &policy->values[layout[t].offset]);
  }
}

// One field of every trace side by side: [T, B, ...shape].
template <typename T>
torch::Tensor Stack(const std::vector<Trace>& traces, std::vector<T> Trace::*field,
                    std::vector<int64_t> shape, torch::ScalarType type) {
  Tensors parts;
  shape.insert(shape.begin(), -1);
  for (const Trace& trace : traces) {
    const std::vector<T>& values = trace.*field;
    parts.push_back(
        torch::from_blob(const_cast<T*>(values.data()), {static_cast<int64_t>(values.size())}, type)
            .view(shape));
  }
  return torch::stack(parts, 1);
}

struct ChoiceTerms {
  torch::Tensor log_probability;  // [T, B] of what was chosen
  torch::Tensor entropy;          // [T, B]
};

ChoiceTerms Terms(const torch::Tensor& logits, const torch::Tensor& open,
                  const torch::Tensor& chosen) {
  const torch::Tensor log_all =
      torch::log_softmax(logits.masked_fill(open.logical_not(), kClosed), -1);
  const torch::Tensor weighted = (log_all.exp() * log_all).masked_fill(open.logical_not(), 0.0);
  return {log_all.gather(-1, chosen.unsqueeze(-1)).squeeze(-1), -weighted.sum(-1)};
}

// Equation 27: reward-to-go against the mean of the other episodes at the same step (they share
// the draw of the table, so that its effect on all of them cancels), at unit variance.
torch::Tensor Advantage(const torch::Tensor& reward) {
  const torch::Tensor to_go = reward.flip({0}).cumsum(0).flip({0});
  const double episodes = static_cast<double>(reward.size(1));
  const torch::Tensor others = (to_go.sum(1, true) - to_go) / (episodes - 1);
  const torch::Tensor advantage = to_go - others;
  return advantage / (advantage.std(false) + 1e-6);
}

torch::Tensor Loss(const Tensors& w, const PolicyProblem& problem, const std::vector<Trace>& traces,
                   double entropy_bonus) {
  const int64_t classes = problem.table->classes, cells = problem.table->cells.count;
  const int64_t episodes = static_cast<int64_t>(traces.size());
  const torch::Tensor inputs =
      Stack(traces, &Trace::inputs, {StepInputs(classes)}, torch::kFloat32);
  const torch::Tensor zero = torch::zeros({1, episodes, kHidden});
  const torch::Tensor gate_bias = w[kGateBias].view(-1);
  const torch::Tensor hidden = std::get<0>(
      torch::lstm(inputs, {zero, zero},
                  {w[kInputWeight], w[kStateWeight], gate_bias, torch::zeros_like(gate_bias)}, true,
                  1, 0.0, true, false, false));  // [T, B, H]

  const torch::Tensor cell_inputs =
      Stack(traces, &Trace::cell_inputs, {cells, kCellInputs}, torch::kFloat32);
  const torch::Tensor cell_static =
      torch::from_blob(const_cast<float*>(problem.cell_static.data()), {cells, kCellStatic});
  const torch::Tensor keys = cell_static.matmul(w[kKeyWeight].t());           // [K, E]
  const torch::Tensor query = hidden.matmul(w[kQueryWeight].t());             // [T, B, E]
  const torch::Tensor state = hidden.matmul(w[kCellState].t()).unsqueeze(2);  // [T, B, 1, G]
  const torch::Tensor look =
      torch::relu(cell_inputs.matmul(w[kCellWeight].t()) + state + w[kCellBias].view(-1));
  const torch::Tensor cell_logits = query.matmul(keys.t()) / std::sqrt(1.0 * kKey) +
                                    look.matmul(w[kCellOut]).squeeze(-1) +
                                    w[kCellBeta].view(-1) * cell_inputs.select(-1, 0);
  const ChoiceTerms cell =
      Terms(cell_logits, Stack(traces, &Trace::cell_open, {cells}, torch::kUInt8).to(torch::kBool),
            Stack(traces, &Trace::cell, {}, torch::kInt64));

  const torch::Tensor image_inputs =
      Stack(traces, &Trace::image_inputs, {kShortlist, kProjected + 1}, torch::kFloat32);
  const torch::Tensor image_query =
      hidden.matmul(w[kImageWeight].t()).unsqueeze(-1);  // [T, B, P, 1]
  const torch::Tensor image_logits =
      image_inputs.narrow(-1, 0, kProjected).matmul(image_query).squeeze(-1) /
          std::sqrt(1.0 * kProjected) +
      w[kImageBeta].view(-1) * image_inputs.select(-1, kProjected);
  const ChoiceTerms image = Terms(
      image_logits, Stack(traces, &Trace::image_open, {kShortlist}, torch::kUInt8).to(torch::kBool),
      Stack(traces, &Trace::image, {}, torch::kInt64));

  const torch::Tensor advantage = Advantage(Stack(traces, &Trace::reward, {}, torch::kFloat32));
  return -(advantage * (cell.log_probability + image.log_probability)).mean() -
         entropy_bonus * (cell.entropy + image.entropy).mean();
}

int64_t UpdateCount(const SelectorOptions& options, int64_t steps) {
  if (options.updates > 0) return options.updates;
  return std::clamp(kWork / std::max<int64_t>(1, steps * options.episodes), kFewestUpdates,
                    kMostUpdates);
}

}  // namespace

PolicyParameters TrainPolicy(const LookupTable& table, const std::vector<float>& embeddings,
                             const SelectorOptions& options, const PolicyParameters& warm,
                             const ProgressFn& progress) {
  CheckSelection(table, embeddings, options);
  PolicyParameters policy = warm.classes == table.classes && !warm.empty()
                                ? warm
                                : InitialPolicy(table.classes, options.seed);
  if (static_cast<int64_t>(policy.values.size()) != PolicySize(table.classes)) {
    throw std::invalid_argument("warm: a wrong number of parameters");
  }
  if (table.images == 0) return policy;
  const PolicyProblem problem(table, embeddings, options.price);
  const int64_t steps = std::min(options.batch_size, problem.distinct);
  const int64_t updates = UpdateCount(options, steps);
  Tensors tensors = Unpack(policy);
  torch::optim::Adam optimizer(tensors, torch::optim::AdamOptions(options.learning_rate));
  RandomStream random(options.seed);
  const BatchState empty(table, options.price);
  for (int64_t update = 0; update < updates; ++update) {
    if (progress && !progress(static_cast<double>(update) / static_cast<double>(updates))) {
      throw Canceled();
    }
    const LookupTable drawn =
        Draw(table, options.seed + 0x51ed2701u * static_cast<uint64_t>(update + 1),
             options.posterior_scale);
    Rollout rollout(problem, policy);
    std::vector<Trace> traces;
    for (int64_t episode = 0; episode < options.episodes; ++episode) {
      traces.push_back(rollout.Run(empty, steps, &random, &drawn, true));
    }
    optimizer.zero_grad();
    Loss(tensors, problem, traces, options.entropy_bonus).backward();
    torch::nn::utils::clip_grad_norm_(tensors, kMostGradient);
    optimizer.step();
    Pack(tensors, &policy);
    ++policy.updates;
  }
  return policy;
}

}  // namespace mgral::core
