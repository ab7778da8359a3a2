#pragma once

#include <vector>

#include "server/core/lookup/regression.h"

namespace mgral::core {

// Forward selection: a pair enters when the logarithm of the marginal likelihood grows by more
// than the logarithm of the number of candidates, and for each class by more than ln(rows) / 2.
std::vector<PairTerm> ChoosePairs(const Truth& truth, const Hyper& hyper);

}  // namespace mgral::core
