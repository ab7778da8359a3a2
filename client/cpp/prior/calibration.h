// How the estimates of first batches, by a prior, agree with what the batches did on test images.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/prior/fit_prior.h"

namespace mgral::client {

// A pool's first batch under a prior.
struct FirstBatch {
  const SimulatedPool* pool = nullptr;
  double estimate = 0, realized = 0;
  double share = 0;  // variance of the estimate, without the residual, / estimate^2
  double noise = 0;  // variance of the realized gain: chance in training and testing
};
std::vector<FirstBatch> FirstBatches(const std::vector<const SimulatedPool*>& pools,
                                     const PriorValues& values);

// The square of the least residual share with which the 95 % interval of the realized gain, noise
// and all, holds it.
double LeastResidual(const FirstBatch& batch);

struct Calibration {
  std::string dataset;
  int pools = 0, batches = 0;
  Number slope,
      slope_error;  // of realized on estimated gain, with an intercept; pools are clusters
  Number ratio;     // mean realized / mean estimated gain
  Number coverage;  // of the 95 % intervals of the realized gain, which its noise widens
};

// By the tables that the pools would have with these values. Optimistic for pools that the values
// were fitted to.
Calibration Calibrate(const std::vector<SimulatedPool>& pools, const PriorValues& values);

// One per dataset, by name, with the values fitted to the other datasets; then "all" of these
// together. Empty with a single dataset. FailedPrecondition as FitPrior.
absl::StatusOr<std::vector<Calibration>> LeaveOneDatasetOut(
    const std::vector<SimulatedPool>& pools);

}  // namespace mgral::client
