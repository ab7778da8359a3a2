#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/regression.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// With fewer probes nothing is said of a table's fidelity: one estimate from 8 has a standard
// deviation of 0.35.
inline constexpr size_t kFewestProbes = 16;

// Spearman's rank correlation with mean ranks for ties; NaN for fewer than three values or when
// one side is constant.
double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// How well the responses of probes are predicted from other probes; see TableFidelity and equations
// 21 to 23 of docs/method.md. `hyper` is that of all probes; a fit without a base chooses its own.
// Leaving out one probe at a time instead would give a correlation towards -1 on noise: a shrunken
// fit predicts the mean of the others.
TableFidelity MeasureFidelity(const ProbeRows& probes, int64_t classes, const Hyper& hyper);

}  // namespace mgral::core
