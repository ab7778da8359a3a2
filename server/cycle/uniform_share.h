#pragma once

#include <cstdint>
#include <vector>

#include "server/cycle/selection_records.h"

namespace mgral::cycle {

// How many images of a prefix of `n` are drawn at random: floor(n share).
int64_t UniformCount(int64_t n, double share);

// A queue as long as `ranked`, each prefix of which holds UniformCount images drawn at random: the
// next in a permutation of `pool`, determined by `seed` and its size, that the queue does not hold
// yet. The other places are filled in the order of `ranked`. Both lists are image keys without
// duplicates; `pool` holds all those of `ranked`.
RankedQueue InterleaveUniform(const std::vector<int64_t>& ranked, const std::vector<int64_t>& pool,
                              double share, uint64_t seed);

}  // namespace mgral::cycle
