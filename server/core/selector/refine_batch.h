#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"

namespace mgral::core {

// Improves `batch` on top of `base` (what was taken before, not to be changed) by exchanges: one
// image for another, two for a pair of cells that help together, and in small pools any two for
// any two. Stops at a local optimum or when the work bound is reached; never makes it worse.
std::vector<int64_t> RefineBatch(const BatchState& base, std::vector<int64_t> batch);

// The same images in an order whose prefixes have a large gain: growing by the best image, or
// shrinking by the one that is missed least (keeps partners together), whichever has the larger
// mean prefix gain.
std::vector<int64_t> OrderBatch(const BatchState& base, const std::vector<int64_t>& batch);

}  // namespace mgral::core
