// The numbers of the summary. Plain functions: deterministic and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// A learning curve: (labels, map50) with labels growing. Points without map50 are left out.
using Curve = std::vector<std::pair<double, double>>;
Curve CurveOf(const StrategyRun& run);

// Trapezoids, divided by the range of labels. Missing with fewer than two points.
Number AreaUnderCurve(const Curve& curve);

// Missing when empty.
Number Mean(const std::vector<double>& values);

// 95 % t-interval of the mean: mean ± t(0.975, n - 1) · s / √n. Missing with fewer than two values:
// one seed says nothing about the spread over seeds.
std::optional<Interval> MeanInterval(const std::vector<double>& values);

// Smallest and largest. Missing when empty.
std::optional<Interval> Range(const std::vector<double>& values);

// The labels at which a curve first reaches `level`, linear between points.
Number LabelsToReach(const Curve& curve, double level);

// Mean over the runs at every label count that all of them have.
Curve MeanCurve(const std::vector<const StrategyRun*>& runs);

// Spearman's rank correlation, equal values share their mean rank. Missing with fewer than three
// pairs or without any spread.
Number RankCorrelation(const std::vector<std::pair<double, double>>& pairs);

// Strategies in the order of their first run.
std::vector<std::string> StrategyNames(const Results& results);

// The complete runs of a strategy; all of its runs if none is complete.
std::vector<const StrategyRun*> RunsOf(const Results& results, const std::string& strategy);

// From the complete runs; a strategy without any is listed without numbers.
std::vector<StrategySummary> Summarize(const Results& results);

// The figures of a strategy's tables, missing ones left out.
struct LookupMeans {
  int64_t tables = 0;
  std::vector<double> fidelity, test_retest, response, selector, greedy, probe, lookup;
};

LookupMeans MeanOfTables(const Results& results, const std::string& strategy);

}  // namespace mgral::client
