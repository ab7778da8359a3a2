#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// What the policy sees of a pool and that does not change while images are taken. Refers to the
// table, which must outlive it. Read-only afterwards, so thread-safe.
struct PolicyProblem {
  PolicyProblem(const LookupTable& table, const std::vector<float>& embeddings,
                const std::vector<double>& price = {});

  const LookupTable* table;
  std::vector<double> price;       // [N] as of a BatchState, or empty
  std::vector<float> projected;    // [N, P]
  std::vector<float> cell_static;  // [K, kCellStatic]
  std::vector<float> cell_mean;    // [K, C] missed objects of the cell's mean image
  std::vector<float> cell_reach;   // [K, K] its reach
  std::vector<double> cell_price;  // [K] mean price of the cell's images
  std::vector<float> cell_error;   // [K] standard error of the best image's gain, share of the gain
  double scale = 1;                // gain of the best first image, > 0
  double slope_scale = 1;          // slope of the steepest class before anything is taken, > 0
  int64_t distinct = 0;            // groups of near-duplicates
};

// What the policy is fed with, limited: ratios of small gains can be anything.
float LimitedInput(double value);

}  // namespace mgral::core
