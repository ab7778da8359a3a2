#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/dense.h"
#include "server/core/lookup/features.h"
#include "server/core/lookup/table.h"

// The Bayesian linear regression behind a look-up table (Rasmussen and Williams, Gaussian
// Processes for Machine Learning, 2006, chapter 2; equations 18 to 21 of docs/method.md):
//
//   y = phi_o.u_c + unit_c x_oc.w_c + z_o.J_c + b + noise,   w_c = w_s + v_c
//   u_c ~ N(0, (amplitude unit_c)^2 kernel), w_s ~ N(w0, shared), v_c ~ N(0, own),
//   J_c ~ N(0, (pair_sd unit_c)^2), b ~ N(0, intercept_c^2) per kind of truth.
//
// Given w_s the classes are independent, so that everything is closed form per class and exact.
namespace mgral::core {

// The truth, as design matrices. All `y` are of x_c, that is before h.
struct Truth {
  int64_t classes = 0;
  std::vector<double> unit;                   // [C] at level 1
  Matrix kernel;                              // [K, K]
  Matrix phi;                                 // [O, K]
  Matrix psi;                                 // [O, K]
  std::vector<Matrix> x;                      // C of [O, F], in units
  std::vector<int> kind;                      // [O] 0 or 1: which intercept
  std::vector<double> intercept;              // [O] standard deviation in units
  std::vector<std::vector<double>> y;         // [C][O]
  std::vector<std::vector<double>> variance;  // [C][O]; infinity: not measured
  double noise_center = 1;                    // likeliest multiple of the variance

  int64_t rows() const { return phi.rows; }
};

// A pair of cells and the classes that it matters for.
struct PairTerm {
  CellPair cells;
  std::vector<bool> active;  // [C]
  double sd = 0;             // in units
};

struct Hyper {
  double noise = 1;
  double amplitude = 0;
  double level = 1;
};

// What a class knows after the truth, given the shared weights; then integrated over them.
struct ClassPosterior {
  std::vector<double> mean;  // [D] of (u, w, J)
  Matrix covariance;         // [D, D] given w_s
  Matrix coupling;           // [D, F] derivative of the mean by w_s
};

struct Posterior {
  std::vector<double> shared_mean;  // [F]
  Matrix shared_factor;             // [F, F] lower, of the covariance of w_s
  std::vector<ClassPosterior> classes;
};

// Logarithm of the marginal likelihood plus that of the prior of `hyper`.
double Evidence(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs);

// The grid point with the largest evidence; the prior's own when there is little truth.
Hyper ChooseHyper(const Truth& truth, const std::vector<PairTerm>& pairs);

Posterior Solve(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs);

}  // namespace mgral::core
