#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"
#include "server/core/progress.h"
#include "server/core/selector/policy.h"

namespace mgral::core {

struct SelectorOptions {
  int64_t batch_size = 0;   // images that are labeled together; > 0
  int64_t queue_limit = 0;  // length of the queue; 0: 4 batches. At least one batch
  uint64_t seed = 0;
  int64_t updates = 0;   // policy-gradient updates; 0: chosen from the size of the problem
  int64_t episodes = 8;  // rollouts per update, >= 2: they are each other's baseline
  double learning_rate = 3e-3;
  double entropy_bonus = 0.01;
  double posterior_scale = 1.0;  // 0: reward from the posterior mean
  // [N] what each image has to bring, in AP (labeling_price.h); empty: nothing. Batches are chosen
  // and compared by their gain less their price; the report's gains are without it.
  std::vector<double> price;
};

struct QueueReport {
  double gain = 0;  // estimated gain of the first batch: change of mAP
  double standard_error = 0;
  double greedy_gain = 0;   // of lookup_greedy's batch on the same table
  double rollout_gain = 0;  // of the policy's best rollout before refinement
  bool policy_won = false;  // the queue is the policy's; false: greedy's was better and is used
  int64_t updates = 0;
  double seconds = 0;  // wall time of training and decoding; the only field that may differ
                       // between two runs with the same seed
};

// Distinct image indices, best first. Every prefix is a batch.
struct Queue {
  std::vector<int64_t> order;
  QueueReport report;
};

// Rollouts (the most likely one and sampled ones), refined by exchanges, ordered so that the
// prefixes are good, compared with lookup_greedy. An empty pool gives an empty queue. Needs no
// torch. Throws std::invalid_argument naming the input.
Queue DecodeQueue(const LookupTable& table, const std::vector<float>& embeddings,
                  const PolicyParameters& policy, const SelectorOptions& options);

struct Selection {
  Queue queue;
  PolicyParameters policy;
};

// TrainPolicy, then DecodeQueue.
Selection SelectQueue(const LookupTable& table, const std::vector<float>& embeddings,
                      const SelectorOptions& options, const PolicyParameters& warm = {},
                      const ProgressFn& progress = nullptr);

}  // namespace mgral::core
