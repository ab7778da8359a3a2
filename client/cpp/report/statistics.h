// Means, intervals and tests. Plain functions: deterministic and thread-safe.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

inline constexpr double kNormal95 = 1.959963984540054;  // standard errors in half a 95 % interval

// Missing when empty.
Number Mean(const std::vector<double>& values);

// Of a sample: Σ (x − mean)² / (n − 1). Missing with fewer than two values.
Number Variance(const std::vector<double>& values);

// t-interval of the mean: mean ± t(1 - (1 - confidence) / 2, n - 1) · s / √n. Missing with fewer
// than two values: one seed says nothing about the spread over seeds.
std::optional<Interval> MeanInterval(const std::vector<double>& values, double confidence = 0.95);

// 95 % percentile bootstrap interval of the mean, 10,000 draws, always the same ones. Missing with
// fewer than two values. With few values it is narrower than it should be.
std::optional<Interval> BootstrapInterval(const std::vector<double>& values);

// Two-sided p-value of the paired t-test, given the differences of the pairs. Missing with fewer
// than two; 0 or 1 where all differences are equal.
Number PairedPValue(const std::vector<double>& differences);

// Two one-sided tests at 5 %: the 90 % t-interval of the mean lies within ±margin.
bool IsEquivalent(const std::vector<double>& differences, double margin);

// Holm's step-down correction of a family of p-values, each in the place of its p-value.
struct HolmAdjusted {
  double p = 1;             // significant where it is below alpha
  double confidence = 0.5;  // a t-interval of this confidence excludes 0 exactly there
};
std::vector<HolmAdjusted> Holm(const std::vector<double>& p_values, double alpha = 0.05);

// Smallest and largest. Missing when empty.
std::optional<Interval> Range(const std::vector<double>& values);

// Spearman's rank correlation, equal values share their mean rank. Missing with fewer than three
// pairs or without any spread.
Number RankCorrelation(const std::vector<std::pair<double, double>>& pairs);
// The same of two lists, in pairs by position.
Number RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// The value that `share` of the values are below, linear between the order statistics. Reorders the
// values, of which there must be one.
double Percentile(double share, std::vector<double>* values);

}  // namespace mgral::client
