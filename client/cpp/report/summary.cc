#include "client/cpp/report/summary.h"

#include <algorithm>
#include <utility>

#include "client/cpp/report/comparison.h"
#include "client/cpp/report/curve.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

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

std::vector<const StrategyRun*> CompleteRuns(const Results& results, const std::string& strategy) {
  std::vector<const StrategyRun*> runs;
  for (const StrategyRun& run : results.runs) {
    if (run.strategy == strategy && run.complete && !run.points.empty()) runs.push_back(&run);
  }
  return runs;
}

std::vector<double> AreasOfStrategy(const Results& results, Axis axis,
                                    const std::string& strategy) {
  std::vector<double> values;
  const Areas areas = AreasOf(results, axis);
  const auto ours = areas.find(strategy);
  if (ours == areas.end()) return values;
  for (const auto& [seed, area] : ours->second) values.push_back(area);
  return values;
}

// Where the strategy's mean curve first reaches random's last value.
Number ReachesRandom(const Results& results, Axis axis, const std::string& strategy) {
  const Curve reference = MeanCurve(CompleteRuns(results, "random"), axis);
  if (reference.empty()) return std::nullopt;
  const Curve curve = MeanCurve(CompleteRuns(results, strategy), axis);
  return FirstReaches(curve, reference.back().second);
}

StrategySummary SummarizeStrategy(const Results& results, const std::string& strategy) {
  const std::vector<const StrategyRun*> runs = CompleteRuns(results, strategy);
  StrategySummary summary;
  summary.strategy = strategy;
  summary.seeds = static_cast<int64_t>(runs.size());
  std::vector<double> finals, coco, labels, boxes, cost;
  for (const StrategyRun* run : runs) {
    const CurvePoint& last = run->points.back();
    if (last.map50) finals.push_back(*last.map50);
    if (last.map) coco.push_back(*last.map);
    labels.push_back(static_cast<double>(last.labels));
    if (last.boxes) boxes.push_back(*last.boxes);
    if (last.cost) cost.push_back(*last.cost);
  }
  const std::vector<double> areas = AreasOfStrategy(results, Axis::kImages, strategy);
  summary.aulc = Mean(areas);
  summary.aulc_ci95 = MeanInterval(areas);
  summary.aulc_boxes = Mean(AreasOfStrategy(results, Axis::kBoxes, strategy));
  summary.aulc_cost = Mean(AreasOfStrategy(results, Axis::kCost, strategy));
  summary.final_map50 = Mean(finals);
  summary.final_map50_ci95 = MeanInterval(finals);
  summary.final_map = Mean(coco);
  summary.final_labels = Mean(labels);
  summary.final_boxes = Mean(boxes);
  summary.final_cost = Mean(cost);
  summary.final_class_ap50 = MeanFinalClassAp(runs, results.classes.size());
  summary.labels_to_match_random = ReachesRandom(results, Axis::kImages, strategy);
  summary.cost_to_match_random = ReachesRandom(results, Axis::kCost, strategy);
  return summary;
}

}  // namespace

std::vector<std::string> StrategyNames(const Results& results) {
  std::vector<std::string> found;
  for (const StrategyRun& run : results.runs) {
    if (std::find(found.begin(), found.end(), run.strategy) == found.end()) {
      found.push_back(run.strategy);
    }
  }
  const auto wanted = results.protocol.find("strategies");
  if (wanted == results.protocol.end() || !wanted->is_array()) return found;
  std::vector<std::string> listed;
  for (const auto& name : *wanted) {
    if (name.is_string()) listed.push_back(name.get<std::string>());
  }
  std::stable_sort(found.begin(), found.end(), [&](const std::string& a, const std::string& b) {
    return std::find(listed.begin(), listed.end(), a) < std::find(listed.begin(), listed.end(), b);
  });
  return found;
}

std::map<std::string, std::string> VariantSpecs(const Results& results) {
  std::map<std::string, std::string> specs;
  const auto variants = results.protocol.find("variants");
  if (variants == results.protocol.end() || !variants->is_object()) return specs;
  for (const auto& [label, spec] : variants->items()) {
    if (spec.is_string()) specs[label] = spec.get<std::string>();
  }
  return specs;
}

std::string SpecOf(const Results& results, const std::string& label) {
  const std::map<std::string, std::string> specs = VariantSpecs(results);
  const auto spec = specs.find(label);
  return spec == specs.end() ? label : spec->second;
}

std::string StrategyOf(const Results& results, const std::string& label) {
  const std::string spec = SpecOf(results, label);
  return spec.substr(0, spec.find(':'));
}

std::vector<const StrategyRun*> RunsOf(const Results& results, const std::string& strategy) {
  std::vector<const StrategyRun*> runs = CompleteRuns(results, strategy);
  if (!runs.empty()) return runs;
  for (const StrategyRun& run : results.runs) {
    if (run.strategy == strategy && !run.points.empty()) runs.push_back(&run);
  }
  return runs;
}

void Summarize(Results* results) {
  CompareStrategies(results);
  results->summary.clear();
  for (const std::string& strategy : StrategyNames(*results)) {
    StrategySummary summary = SummarizeStrategy(*results, strategy);
    if (const Comparison* with_random =
            FindComparison(results->against_random, Axis::kImages, strategy)) {
      summary.aulc_minus_random = with_random->mean;
      summary.aulc_minus_random_ci95 = with_random->t95;
    }
    results->summary.push_back(std::move(summary));
  }
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
    add(row.selector_gain, &means.selector);
    add(row.greedy_gain, &means.greedy);
    add(row.seconds_per_probe, &means.probe);
    add(row.seconds_per_lookup, &means.lookup);
  }
  return means;
}

}  // namespace mgral::client
