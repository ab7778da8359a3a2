#pragma once

#include <vector>

#include "server/core/selector/strategies.h"

namespace mgral::core {

// What each candidate has to bring to be worth its labeling cost [N], in AP: its cost times the
// price of a second. The price is such that the batch with the largest gain less price is the one
// with the largest gain per second of all batches of the size, as far as greedy finds it
// (equation 23a of docs/method.md; Dinkelbach, On Nonlinear Fractional Programming, 1967). Empty
// where all images cost the same or nothing, or nothing is gained. Needs the input's table; throws
// std::invalid_argument naming the field that is wrong.
std::vector<double> LabelingPrices(const RankInput& input);

}  // namespace mgral::core
