#pragma once

#include <vector>

#include "server/core/lookup/observation.h"
#include "server/core/lookup/regression.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// Spearman's rank correlation with mean ranks for ties; NaN for fewer than three values or when
// one side is constant.
double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// Leave-one-out fidelity (equation 23), test-retest ceiling, and spread of the truth. `truth` has
// one row per entry of `observations`, in order; `head` [C][O] is 1 - AP_c before the batch. The
// hyperparameters stay those of the whole fit; pairs are chosen anew for each batch left out.
TableFidelity MeasureFidelity(const Truth& truth,
                              const std::vector<const Observation*>& observations,
                              const std::vector<std::vector<double>>& head, const Hyper& hyper,
                              bool with_pairs);

// x_c of row `o` under `posterior`, without intercepts.
double PredictRow(const Truth& truth, const Posterior& posterior, const Hyper& hyper,
                  const std::vector<PairTerm>& pairs, int64_t o, int64_t c);

}  // namespace mgral::core
