#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "server/core/lookup/dense.h"
#include "server/core/lookup/features.h"

// The Bayesian linear regression behind a look-up table's weights (Rasmussen and Williams, Gaussian
// Processes for Machine Learning, 2006, chapter 2; equations 14 to 18 of docs/method.md):
//
//   y_oc = f_oc.w_c + b_(base of o, c) + noise,   w_c = w + v_c
//   w ~ N(w0, diag(sd0)^2),  v_c ~ N(0, (class_sd w0)^2),  b ~ N(0, offset_sd^2),
//   noise ~ N(0, nu (1 + 4 / h_oc))
//
// b and v_c are integrated out, so that all is closed form in F x F matrices.
namespace mgral::core {

// A readout trained on a base subset of the labeled images and on the base with a batch: what the
// batch's true labels did to the loss on images that are in neither. Plain data.
struct ReplayProbe {
  int base = 0;                  // probes of one base share its offset
  std::vector<double> features;  // [C, F] of the batch beside the base, growth by what that misses
  std::vector<double> response;  // [C] drop of the log loss; NaN: not measurable
  std::vector<double> held_positives;  // [C] objects among the held-out images; 0: not measurable
  // The response on two disjoint halves of the held-out images; both may be empty.
  std::array<std::vector<double>, 2> half_response;

  bool Measured(int64_t c) const;
};

using ProbeRows = std::vector<const ReplayProbe*>;

// What the evidence chooses. Noise is a variance, `class_sd` a share of the prior's weights.
struct Hyper {
  // The features explain the responses better than noise alone would; if not, the weights stay at
  // the prior.
  bool informative = false;
  double noise = 0;
  double offset_sd = 0;
  double class_sd = 0;
};

// What is known of w_c after the probes. All [F] or [F, F].
struct ClassPosterior {
  std::vector<double> mean;  // >= 0
  Matrix covariance;         // of v_c given w
  Matrix coupling;           // derivative of the mean by w
};

struct WeightPosterior {
  std::vector<double> shared_mean;  // of w
  Matrix shared_covariance;
  std::vector<ClassPosterior> classes;
};

// The grid point of the largest evidence, and whether that is larger than without any features.
Hyper ChooseHyper(const ProbeRows& probes, int64_t classes);

WeightPosterior SolveWeights(const ProbeRows& probes, int64_t classes, const Hyper& hyper);

// The point of x >= 0 nearest to `mean` by the metric of `covariance`: the mode of a Gaussian that
// is cut off at 0. Tries every set of zeros.
std::vector<double> ProjectToPositive(const std::vector<double>& mean, const Matrix& covariance);

}  // namespace mgral::core
