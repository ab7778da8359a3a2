#pragma once

#include <string>
#include <vector>

#include "client/cpp/prior/calibration.h"
#include "client/cpp/prior/fit_prior.h"

namespace mgral::client {

// No prior fitted to fewer pools is shipped.
inline constexpr int kFewestPools = 50;

// "60 simulated pools (cards 30, bccd 30)"
std::string DescribePools(const std::vector<SimulatedPool>& pools);

// The text of server/core/lookup/prior_values.inc: the values, and how they were made.
std::string PriorFile(const std::vector<SimulatedPool>& pools, const PriorFit& fit,
                      const std::vector<Calibration>& left_out);

}  // namespace mgral::client
