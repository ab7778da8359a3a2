#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/dense.h"
#include "server/core/lookup/observation.h"

namespace mgral::core {

// Kernel over centroids [K, K] (equation 20): squared exponential at a share of their median
// distance, plus a nugget.
Matrix CellKernel(const Cells& cells);

// What semi-supervised probes say of the cells (equation 17): y_oc = phi_o.R_c + b + noise, with
// R_c ~ N(0, s^2 kernel). It becomes the feature kResponse.
struct ResponseSurface {
  std::vector<double> response;  // R [K, C]; 0 without observations
  double scale = 1;              // divisor: 1 for a response of the usual size, > 0
  double fidelity;               // leave-one-out rank correlation; NaN below four observations
  int64_t batches = 0;
};

// `phi` [O, K], for the observations of kind kSemiSupervised in order. Pure noise gives R near 0.
ResponseSurface FitResponse(const std::vector<const Observation*>& observations, const Matrix& phi,
                            const Matrix& kernel, int64_t classes);

}  // namespace mgral::core
