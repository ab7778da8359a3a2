#include "client/cpp/report/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <map>

namespace mgral::client {
namespace {

std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t j = i; j < end; ++j) ranks[order[j]] = (i + end - 1) / 2.0;
    i = end;
  }
  return ranks;
}

std::vector<const StrategyRun*> CompleteRuns(const Results& results, const std::string& strategy) {
  std::vector<const StrategyRun*> runs;
  for (const StrategyRun& run : results.runs) {
    if (run.strategy == strategy && run.complete && !run.points.empty()) runs.push_back(&run);
  }
  return runs;
}

std::vector<Number> MeanFinalClassAp(const std::vector<const StrategyRun*>& runs, size_t classes) {
  std::vector<Number> means(classes);
  for (size_t k = 0; k < classes; ++k) {
    std::vector<double> values;
    for (const StrategyRun* run : runs) {
      const std::vector<Number>& ap = run->points.back().class_ap50;
      if (k < ap.size() && ap[k]) values.push_back(*ap[k]);
    }
    means[k] = Mean(values);
  }
  return means;
}

// Differences of aulc over the seeds that both have.
std::vector<double> AreaDifferences(const std::vector<const StrategyRun*>& runs,
                                    const std::vector<const StrategyRun*>& baseline) {
  std::vector<double> differences;
  for (const StrategyRun* run : runs) {
    for (const StrategyRun* other : baseline) {
      if (run->seed != other->seed) continue;
      const Number area = AreaUnderCurve(CurveOf(*run));
      const Number base = AreaUnderCurve(CurveOf(*other));
      if (area && base) differences.push_back(*area - *base);
    }
  }
  return differences;
}

StrategySummary SummarizeStrategy(const Results& results, const std::string& strategy) {
  const std::vector<const StrategyRun*> runs = CompleteRuns(results, strategy);
  const std::vector<const StrategyRun*> baseline = CompleteRuns(results, "random");
  StrategySummary summary;
  summary.strategy = strategy;
  summary.seeds = static_cast<int64_t>(runs.size());
  std::vector<double> areas, finals, coco, labels;
  for (const StrategyRun* run : runs) {
    if (const Number area = AreaUnderCurve(CurveOf(*run))) areas.push_back(*area);
    const CurvePoint& last = run->points.back();
    if (last.map50) finals.push_back(*last.map50);
    if (last.map) coco.push_back(*last.map);
    labels.push_back(static_cast<double>(last.labels));
  }
  summary.aulc = Mean(areas);
  summary.aulc_ci95 = MeanInterval(areas);
  summary.final_map50 = Mean(finals);
  summary.final_map50_ci95 = MeanInterval(finals);
  summary.final_map = Mean(coco);
  summary.final_labels = Mean(labels);
  summary.final_class_ap50 = MeanFinalClassAp(runs, results.classes.size());
  const Curve reference = MeanCurve(baseline);
  if (!reference.empty()) {
    summary.labels_to_match_random = LabelsToReach(MeanCurve(runs), reference.back().second);
  }
  if (strategy != "random") {
    const std::vector<double> differences = AreaDifferences(runs, baseline);
    summary.aulc_minus_random = Mean(differences);
    summary.aulc_minus_random_ci95 = MeanInterval(differences);
  }
  return summary;
}

}  // namespace

Curve CurveOf(const StrategyRun& run) {
  Curve curve;
  for (const CurvePoint& point : run.points) {
    if (point.map50) curve.emplace_back(static_cast<double>(point.labels), *point.map50);
  }
  return curve;
}

Number AreaUnderCurve(const Curve& curve) {
  if (curve.size() < 2 || curve.back().first <= curve.front().first) return std::nullopt;
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].first - curve[i - 1].first) * (curve[i].second + curve[i - 1].second) / 2;
  }
  return area / (curve.back().first - curve.front().first);
}

Number Mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<Interval> MeanInterval(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double mean = *Mean(values);
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const double count = static_cast<double>(values.size());
  const double t = boost::math::quantile(boost::math::students_t(count - 1), 0.975);
  const double half = t * std::sqrt(squares / (count - 1) / count);
  return Interval{mean - half, mean + half};
}

std::optional<Interval> Range(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return Interval{*low, *high};
}

Number LabelsToReach(const Curve& curve, double level) {
  for (size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].second < level) continue;
    if (i == 0) return curve[0].first;
    const auto& [x0, y0] = curve[i - 1];
    const auto& [x1, y1] = curve[i];
    return x0 + (x1 - x0) * (level - y0) / (y1 - y0);
  }
  return std::nullopt;
}

Curve MeanCurve(const std::vector<const StrategyRun*>& runs) {
  std::map<double, std::vector<double>> values;
  for (const StrategyRun* run : runs) {
    for (const auto& [labels, map50] : CurveOf(*run)) values[labels].push_back(map50);
  }
  Curve mean;
  for (const auto& [labels, at] : values) {
    if (at.size() == runs.size()) mean.emplace_back(labels, *Mean(at));
  }
  return mean;
}

Number RankCorrelation(const std::vector<std::pair<double, double>>& pairs) {
  if (pairs.size() < 3) return std::nullopt;
  std::vector<double> a, b;
  for (const auto& [x, y] : pairs) {
    a.push_back(x);
    b.push_back(y);
  }
  a = Ranks(a);
  b = Ranks(b);
  const double mean = (static_cast<double>(pairs.size()) - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

std::vector<std::string> StrategyNames(const Results& results) {
  std::vector<std::string> names;
  for (const StrategyRun& run : results.runs) {
    if (std::find(names.begin(), names.end(), run.strategy) == names.end()) {
      names.push_back(run.strategy);
    }
  }
  return names;
}

std::vector<const StrategyRun*> RunsOf(const Results& results, const std::string& strategy) {
  std::vector<const StrategyRun*> runs = CompleteRuns(results, strategy);
  if (!runs.empty()) return runs;
  for (const StrategyRun& run : results.runs) {
    if (run.strategy == strategy && !run.points.empty()) runs.push_back(&run);
  }
  return runs;
}

std::vector<StrategySummary> Summarize(const Results& results) {
  std::vector<StrategySummary> summaries;
  for (const std::string& strategy : StrategyNames(results)) {
    summaries.push_back(SummarizeStrategy(results, strategy));
  }
  return summaries;
}

LookupMeans MeanOfTables(const Results& results, const std::string& strategy) {
  LookupMeans means;
  const auto add = [](const Number& value, std::vector<double>* to) {
    if (value) to->push_back(*value);
  };
  for (const LookupRow& row : results.lookup) {
    if (row.strategy != strategy) continue;
    ++means.tables;
    add(row.fidelity, &means.fidelity);
    add(row.test_retest, &means.test_retest);
    add(row.response_fidelity, &means.response);
    add(row.selector_gain, &means.selector);
    add(row.greedy_gain, &means.greedy);
    add(row.seconds_per_probe, &means.probe);
    add(row.seconds_per_lookup, &means.lookup);
  }
  return means;
}

}  // namespace mgral::client
