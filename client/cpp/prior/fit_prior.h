// The prior of look-up tables (server/core/lookup/prior.h), fitted to simulated pools. Plain
// functions: deterministic and thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/report/results.h"
#include "server/core/lookup/dense.h"

namespace mgral::client {

// A batch that a pool's table estimated and whose labels have come in.
struct EstimatedBatch {
  double estimate = 0;    // of the table, for kappa = 1; > 0
  double weight_var = 0;  // variance of the estimate that its weights explain / estimate^2
  double test_gain = 0;   // change of mAP on test images
  Number validation_gain;
  // The detectors before and after it: the pool's first one is 0. Batches with one in common share
  // its noise.
  int before = 0, after = 0;
};

struct SimulatedPool {
  std::string name, dataset, date;
  // What its probes alone say of the weights w that classes share: exp(w'pull - w'information w/2).
  // Empty where they read noise.
  core::Matrix information;     // [F, F]
  std::vector<double> pull;     // [F]
  std::vector<double> weights;  // [F] of its table, >= 0, of which the estimates are
  // Of the table's RandomGain (gain_level.h): [F] gain per weight, and by which logarithm such a
  // batch grows the labeled images.
  std::vector<double> random_gain;
  double log_images = 0;
  std::vector<EstimatedBatch> batches;
};

// As in prior_values.inc, which says what they are.
struct PriorValues {
  std::vector<double> weight, shared_sd;  // [F]
  double kappa = 0, kappa_sd = 0;
  double realized_noise = 0;
  double residual_share = 0;
  double test_noise = 0;  // of a detector's mAP on the test images; no part of the file
};

struct PriorFit {
  PriorValues values;
  int informed = 0;  // pools whose probes are informative about the weights
  // What kappa_sd is made of, beside the error of kappa: standard deviations.
  double kappa_between_datasets = 0, kappa_between_pools = 0;
};

// Every dataset counts as much as another, however many pools it has.
//
// Weights: w_i ~ N(w0, diag(sd)^2) over pools, by EM with every w_i as a table would have it, not
// negative. kappa: the slope of test gain on estimate per pool, with random effects of pool and
// dataset (DerSimonian and Laird 1986); kappa_sd is what a pool of another dataset would differ by.
// residual_share: the least with which the 95 % intervals of the first batches, widened by the
// noise of two detectors' test mAP, hold 95 % of their test gains.
//
// FailedPrecondition where the pools cannot tell: no informative probes, no pool with two batches,
// no gain at all.
absl::StatusOr<PriorFit> FitPrior(const std::vector<SimulatedPool>& pools);

// Mean and covariance of a pool's shared weights by its probes and w ~ N(mean, diag(sd)^2), as in
// equation 16 of docs/method.md.
std::pair<std::vector<double>, core::Matrix> Posterior(const SimulatedPool& pool,
                                                       const std::vector<double>& mean,
                                                       const std::vector<double>& sd);

// What a pool's estimates have to be multiplied by to be those of kappa = 1 times the pool's level
// with this prior. Exact where their features are in the proportions of random batches: an estimate
// is a sum over them that results.json does not take apart.
double Rescale(const SimulatedPool& pool, const PriorValues& values);

}  // namespace mgral::client
