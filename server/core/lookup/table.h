#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// How well a table predicts what replay probes measured. Correlations are of ranks, in [-1, 1];
// NaN: could not be measured, which needs 16 probes.
struct TableFidelity {
  // Of the predicted and the measured mean response within a base, predicted from the probes of the
  // other bases; mean over the bases, weighted by their probes.
  double fidelity = std::nan("");
  // Share of the pairs of a base's probes in the right order, each predicted without the two,
  // rescaled to [-1, 1].
  double concordance = std::nan("");
  // What a perfect table would reach, from the responses on two halves of the held-out images.
  double ceiling = std::nan("");
  double truth_spread = std::nan("");  // standard deviation of the mean response within a base
  int64_t probes = 0;
  int64_t bases = 0;
};

// Bytes are a table, but of another release: it has to be fitted anew.
class OtherRelease : public std::invalid_argument {
 public:
  OtherRelease() : std::invalid_argument("the look-up table was written by another release") {}
};

// What any batch S of the candidates is worth (equations 10 to 13 of docs/method.md):
//
//   gain(S) = (1/C) sum_c kappa s_c sum_f w_cf f_fc(S),   s_c = sqrt(a_c (1 - a_c))
//   f_growth   = log((n_c + 1 + M_c) / (n_c + 1))
//   f_coverage = sum_k omega_kc max(0, max_{i in S} rho_ik - v_k)
//
// n_c labeled objects of class c and M_c expected ones that the detector misses, rho_ik the reach
// of image i into cell k, v_k the largest of a labeled image, omega_kc the share of the class that
// lies in cell k, a_c AP_c kept within [0.05, 0.95] (unknown: 0.05). A group of near-duplicates
// counts once. For w >= 0 the gain is monotone and submodular. Units: change of AP. Everything is
// arrays; a table is immutable once fitted, and reading it is thread-safe.
struct LookupTable {
  int64_t images = 0;   // N
  int64_t classes = 0;  // C
  Cells cells;          // K cells

  std::vector<int32_t> cell_of;   // [N]
  std::vector<int32_t> group_of;  // [N]
  int32_t groups = 0;
  std::vector<float> missed;  // [N, C] missed objects, mean of the group, >= 0
  std::vector<float> reach;   // rho [N, K] in [0, 1], likewise

  int64_t labeled_images = 0;
  std::vector<double> labeled;     // n [C], >= 0
  std::vector<float> covered;      // v [K] in [0, 1]
  std::vector<double> cell_share;  // omega [K, C] in [0, 1]
  std::vector<double> class_ap;    // [C] in [0, 1]; 0: unknown

  std::vector<double> random_gain;  // [F] as RandomGain has it (gain_level.h); empty: unknown
  double level = 1;                 // likewise, > 0
  double kappa = 0;                 // AP per unit of s_c w.f, > 0
  double kappa_sd = 0;              // its standard deviation
  std::vector<double> weights;      // w [C, F], posterior means, >= 0

  // Uncertainty of the weights: w_c = w + v_c; empty when the table was made by hand (their share
  // of the standard errors is then 0).
  std::vector<double> shared_weights;     // w [F], posterior means
  std::vector<double> shared_covariance;  // of w [F, F]
  std::vector<double> class_covariance;   // of v_c given w [C, F, F]
  std::vector<double> coupling;           // derivative of the mean of w_c by w [C, F, F]
  double residual_share = 0;              // standard deviation of gain(S) beside all this / gain(S)

  // Fitted: variance of a response, standard deviations of a base's offset (both in units of log
  // loss) and of a class's weights (share of the prior's); 0 where the weights are the prior's.
  double noise = 0;
  double offset_sd = 0;
  double class_sd = 0;
  TableFidelity fidelity;

  // a_c (1 - a_c), root: what a class's drop of log loss is worth in AP. [C]
  std::vector<double> ApSlopes() const;

  // Versioned little-endian bytes; a round trip is exact.
  std::string Serialize() const;
  // Throws OtherRelease for another version, and any std::invalid_argument for whatever else
  // Serialize did not write (truncated, inconsistent sizes, indices out of range, values that are
  // not finite). Never allocates more than the input's size warrants.
  static LookupTable Parse(const std::string& bytes);
};

// sqrt(a (1 - a)) for an AP; NaN or 0: unknown.
double ApSlope(double ap);

// Weights, kappa and their uncertainty of prior.h, for the table's classes.
void SetPrior(LookupTable* table);

// Throws std::invalid_argument naming the array that is inconsistent, out of range or not finite.
void CheckTable(const LookupTable& table);

}  // namespace mgral::core
