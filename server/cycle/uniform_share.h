#pragma once

#include <cstdint>
#include <vector>

#include "server/cycle/selection_records.h"

namespace mgral::cycle {

// How many images of a prefix of `n` are drawn at random: floor(n share).
int64_t UniformCount(int64_t n, double share);

// A queue as long as `ranked`, whose every prefix holds UniformCount images that are drawn at
// random from `pool`: the next of a permutation that `seed` determines and that the queue does not
// hold before. The others follow in the order of `ranked`. Both are image keys, each distinct;
// those of `ranked` are in `pool`.
RankedQueue InterleaveUniform(const std::vector<int64_t>& ranked, const std::vector<int64_t>& pool,
                              double share, uint64_t seed);

}  // namespace mgral::cycle
