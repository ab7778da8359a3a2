#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"
#include "server/core/random.h"
#include "server/core/selector/cell_frontier.h"
#include "server/core/selector/policy.h"
#include "server/core/selector/policy_problem.h"

namespace mgral::core {

// What a rollout saw and did, for the policy gradient. T steps.
struct Trace {
  std::vector<float> inputs;        // [T, In]
  std::vector<float> cell_inputs;   // [T, K, kCellInputs]
  std::vector<uint8_t> cell_open;   // [T, K]
  std::vector<int64_t> cell;        // [T]
  std::vector<float> image_inputs;  // [T, kShortlist, P + 1]
  std::vector<uint8_t> image_open;  // [T, kShortlist]
  std::vector<int64_t> image;       // [T] position in the shortlist
  std::vector<float> reward;        // [T] marginal gains of `reward_table`, in units of scale
  std::vector<int64_t> taken;       // [T]
};

// The policy, step by step, in plain C++ (a torch call per step would cost more than the step).
class Rollout {
 public:
  // `policy` must be for the table's classes.
  Rollout(const PolicyProblem& problem, const PolicyParameters& policy);

  // Takes min(steps, distinct images left) images on top of `state`, by sampling or (random null)
  // the most likely each time. `reward_table` (null: the problem's own) gives the rewards. With
  // `record` the trace is complete, else only `taken` is filled. At most once per near-duplicate.
  Trace Run(BatchState state, int64_t steps, RandomStream* random, const LookupTable* reward_table,
            bool record);

 private:
  struct Look;  // one step's inputs

  void LstmStep(const std::vector<float>& input);
  void SeeCells(const BatchState& state, int64_t batch, CellFrontier* frontier, Look* look) const;
  void SeeImages(const BatchState& state, int64_t cell, CellFrontier* frontier, Look* look) const;
  std::vector<double> CellLogits(const Look& look) const;
  std::vector<double> ImageLogits(const Look& look) const;
  const float* Tensor(PolicyTensor t) const { return &policy_.values[layout_[t].offset]; }

  const PolicyProblem& problem_;
  const PolicyParameters& policy_;
  std::vector<TensorPlace> layout_;
  std::vector<float> input_columns_, state_columns_;  // gate weights, transposed for the inner loop
  std::vector<float> keys_;                           // [K, E]
  std::vector<float> hidden_, memory_;                // [H]
};

}  // namespace mgral::core
