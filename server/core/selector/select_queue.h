#ifndef MGRAL_SERVER_CORE_SELECTOR_SELECT_QUEUE_H_
#define MGRAL_SERVER_CORE_SELECTOR_SELECT_QUEUE_H_

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "server/core/lookup/table.h"
#include "server/core/selector/policy.h"

namespace mgral::core {

// Thrown when the progress callback asks to stop.
struct SelectionCancelled : std::runtime_error {
  SelectionCancelled() : std::runtime_error("the selection was cancelled") {}
};

// Called between updates with the share of the work done in [0, 1]; returning false cancels.
using SelectionProgress = std::function<bool(double fraction)>;

struct SelectorOptions {
  int64_t batch_size = 0;   // images that are labelled together; > 0
  int64_t queue_limit = 0;  // length of the queue; 0: 4 batches. At least one batch
  uint64_t seed = 0;
  int64_t updates = 0;   // policy-gradient updates; 0: chosen from the size of the problem
  int64_t episodes = 8;  // rollouts per update, >= 2: they are each other's baseline
  double learning_rate = 3e-3;
  double entropy_bonus = 0.01;
  double posterior_scale = 1.0;  // 0: reward from the posterior mean
};

struct QueueReport {
  double gain = 0;  // estimated gain of the first batch: change of mAP
  double standard_error = 0;
  double greedy_gain = 0;   // of lookup_greedy's batch on the same table
  double rollout_gain = 0;  // of the agent's best rollout before refinement
  bool agent_won = false;   // the queue is the agent's; false: greedy's was better and is used
  int64_t updates = 0;
  double seconds = 0;  // wall time of training and decoding; the only field that may differ
                       // between two runs with the same seed
};

// Distinct image indices, best first. Every prefix is a batch.
struct Queue {
  std::vector<int64_t> order;
  QueueReport report;
};

// `warm` may be empty or from an earlier cycle; parameters for another number of classes are
// ignored. `embeddings` [N, d] as used for the table's cells. Deterministic for a seed and a
// number of torch threads. Throws std::invalid_argument naming the input, SelectionCancelled.
// Thread-safe, except that torch's own threads are shared.
PolicyParameters TrainPolicy(const LookupTable& table, const std::vector<float>& embeddings,
                             const SelectorOptions& options, const PolicyParameters& warm = {},
                             const SelectionProgress& progress = nullptr);

// Rollouts (the most likely one and sampled ones), refined by exchanges, ordered so that the
// prefixes are good, compared with lookup_greedy. An empty pool gives an empty queue. Needs no
// torch. Throws as TrainPolicy.
Queue DecodeQueue(const LookupTable& table, const std::vector<float>& embeddings,
                  const PolicyParameters& policy, const SelectorOptions& options);

struct Selection {
  Queue queue;
  PolicyParameters policy;
};

// TrainPolicy, then DecodeQueue.
Selection SelectQueue(const LookupTable& table, const std::vector<float>& embeddings,
                      const SelectorOptions& options, const PolicyParameters& warm = {},
                      const SelectionProgress& progress = nullptr);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_SELECT_QUEUE_H_
