#pragma once

#include <cstdint>
#include <vector>

#include "server/core/selector/strategies.h"

namespace mgral::core {

// What each candidate has to bring to be worth its labeling cost [N], in AP: its cost times the
// price of a second. The price is such that the batch with the largest gain less price is the one
// with the largest gain over the root of its cost, of all batches of the size (0:
// input.batch_size) beside the images `taken`, as far as greedy finds it (equation 23a of
// docs/method.md; after Dinkelbach, On Nonlinear Fractional Programming, 1967). Empty where all
// images cost the same or nothing, or nothing is gained. Needs the input's table; throws
// std::invalid_argument naming the field that is wrong.
std::vector<double> LabelingPrices(const RankInput& input, const std::vector<int64_t>& taken = {},
                                   int64_t size = 0);

// Continues `order` up to `n` images, greedily by gain less price. A second is worth less, the more
// is labeled: at the price of the first batch the next ones would be of empty images. So each block
// has its own price: a batch, or, far behind, a quarter of what is before it, which saves time.
void ContinueByGainLessPrice(const RankInput& input, int64_t n, std::vector<int64_t>* order);

}  // namespace mgral::core
