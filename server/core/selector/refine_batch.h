#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"

namespace mgral::core {

// Improves `batch` on top of `base` (what was taken before, not to be changed) by exchanges of one
// image for another. Stops at a local optimum or when the work bound is reached; never makes it
// worse.
std::vector<int64_t> RefineBatch(const BatchState& base, std::vector<int64_t> batch);

// The same images on top of `base`, the one with the largest marginal gain next, so that prefixes
// have a large gain.
std::vector<int64_t> OrderBatch(BatchState base, std::vector<int64_t> batch);

}  // namespace mgral::core
