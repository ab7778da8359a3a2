#pragma once

#include <vector>

#include "server/core/lookup/table.h"
#include "server/core/progress.h"
#include "server/core/selector/policy.h"
#include "server/core/selector/select_queue.h"

namespace mgral::core {

// `warm` may be empty or from an earlier cycle; parameters for another number of classes are
// ignored. `embeddings` [N, d] as used for the table's cells. Deterministic for a seed and a
// number of torch threads. Throws std::invalid_argument naming the input, Canceled.
// Thread-safe, except that torch's own threads are shared.
PolicyParameters TrainPolicy(const LookupTable& table, const std::vector<float>& embeddings,
                             const SelectorOptions& options, const PolicyParameters& warm = {},
                             const ProgressFn& progress = nullptr);

}  // namespace mgral::core
