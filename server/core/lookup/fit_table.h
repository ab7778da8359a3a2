#pragma once

#include <vector>

#include "server/core/lookup/regression.h"
#include "server/core/lookup/table.h"
#include "server/core/lookup/table_input.h"

namespace mgral::core {

// A batch of an earlier cycle whose labels have come in: what it really did to AP. Plain data.
struct RealizedGain {
  std::vector<double> features;    // [C, F] beside what was labeled then, from true objects
  std::vector<double> class_ap;    // [C] before it; 0 or NaN: unknown
  std::vector<double> class_gain;  // [C] change of AP; NaN: unknown
};

// The table of the pool that DescribePool described: weights from the replay probes (regression.h),
// kappa from the level and the realized gains, both around the shipped prior (prior.h), at which
// weak evidence leaves them. Deterministic to the byte, single-threaded: the same input gives the
// same table. Throws std::invalid_argument naming the field for wrong sizes and values that are not
// finite.
LookupTable FitTable(LookupTable pool, const std::vector<ReplayProbe>& probes = {},
                     const std::vector<RealizedGain>& realized = {});

}  // namespace mgral::core
