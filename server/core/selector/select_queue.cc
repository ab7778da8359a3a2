#include "server/core/selector/select_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "server/core/random.h"
#include "server/core/selector/check_selection.h"
#include "server/core/selector/policy_problem.h"
#include "server/core/selector/refine_batch.h"
#include "server/core/selector/rollout.h"
#include "server/core/selector/strategies.h"
#include "server/core/selector/train_policy.h"

namespace mgral::core {
namespace {

constexpr int64_t kPolicySegments = 4;   // batches of the queue that the policy decodes
constexpr int64_t kRolloutWork = 20000;  // steps spent on rollouts of one segment
constexpr int64_t kRefineWork = 2000;    // images of batches that are refined per segment
constexpr uint64_t kDecodeStream = 0x9e3779b97f4a7c15;

// Gain less price, with what the state holds already.
double ValueOn(BatchState state, const std::vector<int64_t>& batch) {
  for (int64_t image : batch) state.Add(image);
  return state.Gain();
}

struct Segment {
  std::vector<int64_t> rollout;  // the best one before refinement
  std::vector<int64_t> batch;
  double value = 0;
};

// The best of several refined rollouts of `steps` images on top of `base`.
Segment PolicySegment(const PolicyProblem& problem, const PolicyParameters& policy,
                      const BatchState& base, int64_t steps, RandomStream* random) {
  Rollout rollout(problem, policy);
  const int64_t rollouts = std::clamp<int64_t>(kRolloutWork / std::max<int64_t>(1, steps), 3, 16);
  std::vector<std::pair<double, std::vector<int64_t>>> found;
  for (int64_t r = 0; r < rollouts; ++r) {
    std::vector<int64_t> batch =
        rollout.Run(base, steps, r == 0 ? nullptr : random, nullptr, false).taken;
    const double value = ValueOn(base, batch);
    found.emplace_back(value, std::move(batch));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  Segment out;
  out.rollout = found[0].second;
  const int64_t refined =
      std::clamp<int64_t>(kRefineWork / std::max<int64_t>(1, steps), 1, rollouts);
  for (int64_t r = 0; r < refined; ++r) {
    std::vector<int64_t> batch = RefineBatch(base, found[r].second);
    const double value = ValueOn(base, batch);
    if (r == 0 || value > out.value) {
      out.value = value;
      out.batch = std::move(batch);
    }
  }
  return out;
}

// What a rollout left out because it is a copy of something taken, by index.
void FillUp(int64_t wanted, BatchState* state, std::vector<int64_t>* batch) {
  for (int64_t i = 0; i < state->table().images && static_cast<int64_t>(batch->size()) < wanted;
       ++i) {
    if (state->Taken(i)) continue;
    state->Add(i);
    batch->push_back(i);
  }
}

}  // namespace

Queue DecodeQueue(const LookupTable& table, const std::vector<float>& embeddings,
                  const PolicyParameters& policy, const SelectorOptions& options) {
  CheckSelection(table, embeddings, options);
  const auto start = std::chrono::steady_clock::now();
  Queue out;
  out.report.updates = policy.updates;
  if (table.images == 0) return out;
  const PolicyParameters own =
      policy.classes == table.classes ? policy : InitialPolicy(table.classes, options.seed);
  const PolicyProblem problem(table, embeddings, options.price);
  RandomStream random(options.seed ^ kDecodeStream);
  BatchState state(table, options.price);
  const int64_t limit = std::min(table.images, QueueLength(options));
  for (int64_t segment = 0;
       segment < kPolicySegments && static_cast<int64_t>(out.order.size()) < limit; ++segment) {
    const int64_t steps =
        std::min(options.batch_size, limit - static_cast<int64_t>(out.order.size()));
    const Segment decoded = PolicySegment(problem, own, state, steps, &random);
    const std::vector<int64_t> greedy =
        ContinueLookupGreedy(table, out.order, steps, options.price);
    const bool policy_won = decoded.value >= ValueOn(state, greedy) - 1e-12;
    std::vector<int64_t> batch = policy_won ? OrderBatch(state, decoded.batch) : greedy;
    for (int64_t image : batch) state.Add(image);
    FillUp(steps, &state, &batch);
    if (segment == 0) {
      const Estimate estimate = EstimateGain(table, batch);
      out.report.gain = estimate.gain;
      out.report.standard_error = estimate.standard_error;
      out.report.greedy_gain = EstimateGain(table, greedy).gain;
      out.report.rollout_gain = EstimateGain(table, decoded.rollout).gain;
      out.report.policy_won = policy_won;
    }
    out.order.insert(out.order.end(), batch.begin(), batch.end());
  }
  const int64_t rest = limit - static_cast<int64_t>(out.order.size());
  const std::vector<int64_t> tail = ContinueLookupGreedy(table, out.order, rest, options.price);
  out.order.insert(out.order.end(), tail.begin(), tail.end());
  out.report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Selection SelectQueue(const LookupTable& table, const std::vector<float>& embeddings,
                      const SelectorOptions& options, const PolicyParameters& warm,
                      const ProgressFn& progress) {
  const auto start = std::chrono::steady_clock::now();
  Selection out;
  out.policy = TrainPolicy(table, embeddings, options, warm, progress);
  out.queue = DecodeQueue(table, embeddings, out.policy, options);
  out.queue.report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace mgral::core
