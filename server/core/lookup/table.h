#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// How well a table predicts. Correlations are Spearman's, in [-1, 1]; NaN: could not be measured.
struct TableFidelity {
  // Leave-one-batch-out over the truth (replay, else realized from 5 batches on).
  double fidelity = std::nan("");
  int64_t truth_batches = 0;           // batches behind `fidelity`
  double ceiling = std::nan("");       // test-retest correlation of the truth, from repeats
  double truth_spread = std::nan("");  // standard deviation of the truth's mean response
  // Leave-one-out over the semi-supervised responses by the response surface. Says how
  // repeatable the responses are, not how well gains are predicted.
  double response_fidelity = std::nan("");
  int64_t response_batches = 0;
};

// Cells k < l that are worth more (or less) together than apart.
struct CellPair {
  int32_t k = 0;
  int32_t l = 0;
};

// What any batch S of the candidates is worth (equations 10 to 13 of docs/method.md):
//
//   gain(S) = mean_c h_c(x_c),  x_c = sum_k T[k,c] phi_k(n_k) + sum_{i in S} a[i,c]
//                                   + sum_{(k,l)} J[kl,c] psi_k(n_k) psi_l(n_l)
//   phi_k(n) = (1 - rho_k^n) / (1 - rho_k)      images that teach something new in cell k
//   psi_k(n) = 1 - rho_k^n                      share of cell k that is known
//   h_c(x)   = r (1 - exp(-x / r)), r = 1 - AP_c, for x > 0; x for x <= 0
//
// n_k counts groups of near-duplicates, and a[] belongs to the group: a copy adds nothing.
// Units: change of AP. Everything is arrays; a table is immutable once fitted, and reading it is
// thread-safe. Uncertainty is a Gaussian per class over (u_c, w_c, J_c), D = K + F + P, where
// T[k,c] = u_c[k] + unit_c w_c.F[k,c] and a[i,c] = lambda unit_c w_c.dev[i,c]; what the classes
// share (the shared weights) is kept apart as `coupling` times `shared_factor`.
struct LookupTable {
  int64_t images = 0;   // N
  int64_t classes = 0;  // C
  Cells cells;          // K cells

  // Entries (posterior means).
  std::vector<double> rho;        // [K] in [0, 1)
  std::vector<double> class_ap;   // [C]
  std::vector<float> cell_gain;   // T [K, C]
  std::vector<float> image_gain;  // a [N, C]
  std::vector<int32_t> cell_of;   // [N]
  std::vector<int32_t> group_of;  // [N]
  int32_t groups = 0;
  std::vector<CellPair> pairs;   // P
  std::vector<float> pair_gain;  // J [P, C]

  // Uncertainty; empty when the table was made by hand (standard errors are then 0).
  std::vector<double> weights;        // posterior mean of w [C, F]
  std::vector<float> factor;          // lower triangles of L_c, L_c L_c' = covariance [C, D(D+1)/2]
  std::vector<float> coupling;        // [C, D, F]
  std::vector<double> shared_factor;  // [F, F] lower triangle, row-major full

  // What is needed to describe further images and to rebuild a[] from drawn weights.
  std::vector<double> unit;           // [C] AP units of one unit of w.f
  std::vector<double> scale;          // [F] divisors of the raw features
  std::vector<double> rarity;         // [C]
  std::vector<double> cell_features;  // F [K, C, F], scaled
  std::vector<float> deviation;       // [N, C, kNumImageFeatures], scaled, mean of the group
  double lambda = 0;

  TableFidelity fidelity;
  double noise = 0;      // fitted multiple of the observations' variance
  double amplitude = 0;  // fitted amplitude of the Gaussian process
  double level = 0;      // fitted multiple of the prior's size

  int64_t Dimension() const {
    return cells.count + kNumFeatures + static_cast<int64_t>(pairs.size());
  }

  // Versioned little-endian bytes; a round trip is exact.
  std::string Serialize() const;
  // Throws std::invalid_argument for anything that Serialize did not write (truncated, wrong
  // version, inconsistent sizes, indices out of range, values that are not finite). Never
  // allocates more than the input's size warrants.
  static LookupTable Parse(const std::string& bytes);
};

// Throws std::invalid_argument naming the array that is inconsistent or not finite.
void CheckTable(const LookupTable& table);

// Appends images to a table whose cells, weights, scales and cell features are set: cell_of,
// group_of, deviation and a[]. The terms of a group of near-duplicates are the mean of its
// members', so that the gain does not depend on which of them is taken.
void AppendImages(const CellAssignment& assignment, const ImageFeatures& features,
                  LookupTable* table);

// The same cells and entries, over the table's candidates followed by `more` (images that arrived
// since): nearest cell, features scaled as before. Throws std::invalid_argument on mismatching
// classes or dim.
LookupTable WithImages(const LookupTable& table, const ImageSignals& more);

}  // namespace mgral::core
