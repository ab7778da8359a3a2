#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

struct Estimate {
  double gain = 0;  // change of mAP
  double standard_error = 0;
  std::vector<double> class_gain;   // [C] change of AP
  std::vector<double> class_error;  // [C]
};

// The features [C, F] of a batch (equations 11 and 12). Repeated images and near-duplicates count
// once. Throws std::out_of_range for an image that is not in [0, N).
std::vector<double> FeaturesOf(const LookupTable& table, const std::vector<int64_t>& images);

// Posterior mean, standard error by equation 20 of docs/method.md. Repeated images and
// near-duplicates count once. O(|S| (C + K) + K C). Throws std::out_of_range for an image that is
// not in [0, N).
Estimate EstimateGain(const LookupTable& table, const std::vector<int64_t>& images);

// One posterior draw: the same table with other weights (>= 0) and kappa, without their
// uncertainty. `scale` multiplies the deviation from the mean.
LookupTable Draw(const LookupTable& table, uint64_t seed, double scale = 1.0);

}  // namespace mgral::core
