#include "client/cpp/report/results.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/files.h"

namespace mgral::client {
namespace {

using Json = nlohmann::ordered_json;
using client::ToJson;

Json ToJson(const std::vector<Number>& numbers) {
  Json list = Json::array();
  for (const Number& number : numbers) list.push_back(ToJson(number));
  return list;
}

Json ToJson(const CurvePoint& point) {
  Json picks = Json::array();
  for (const Pick& pick : point.picks) {
    picks.push_back({{"image_id", pick.image_id},
                     {"cell", pick.cell},
                     {"reason", pick.reason},
                     {"gain_class", pick.gain_class},
                     {"gain", ToJson(pick.gain)}});
  }
  return {{"labels", point.labels},
          {"boxes", ToJson(point.boxes)},
          {"cost", ToJson(point.cost)},
          {"map50", ToJson(point.map50)},
          {"map", ToJson(point.map)},
          {"class_ap50", ToJson(point.class_ap50)},
          {"validation_map50", ToJson(point.validation_map50)},
          {"estimated_gain", ToJson(point.estimated_gain)},
          {"estimated_gain_se", ToJson(point.estimated_gain_se)},
          {"realised_gain", ToJson(point.realized_gain)},
          {"test_gain", ToJson(point.test_gain)},
          {"strategy_used", point.strategy_used},
          {"strategy_note", point.strategy_note},
          {"batch", point.batch},
          {"picks", picks},
          {"seconds", ToJson(point.seconds)}};
}

Json ToJson(const StrategyRun& run) {
  Json points = Json::array();
  for (const CurvePoint& point : run.points) points.push_back(ToJson(point));
  return {{"strategy", run.strategy},
          {"seed", run.seed},
          {"complete", run.complete},
          {"pool", run.pool},
          {"points", points},
          {"seconds",
           {{"train", ToJson(run.seconds.train)},
            {"embed", ToJson(run.seconds.embed)},
            {"probe", ToJson(run.seconds.probe)},
            {"table", ToJson(run.seconds.table)},
            {"selector", ToJson(run.seconds.selector)},
            {"query", ToJson(run.seconds.query)}}}};
}

Json ToJson(const StrategySummary& summary) {
  return {{"strategy", summary.strategy},
          {"seeds", summary.seeds},
          {"aulc", ToJson(summary.aulc)},
          {"aulc_ci95", ToJson(summary.aulc_ci95)},
          {"aulc_boxes", ToJson(summary.aulc_boxes)},
          {"aulc_cost", ToJson(summary.aulc_cost)},
          {"final_map50", ToJson(summary.final_map50)},
          {"final_map50_ci95", ToJson(summary.final_map50_ci95)},
          {"final_map", ToJson(summary.final_map)},
          {"final_labels", ToJson(summary.final_labels)},
          {"final_boxes", ToJson(summary.final_boxes)},
          {"final_cost", ToJson(summary.final_cost)},
          {"aulc_minus_random", ToJson(summary.aulc_minus_random)},
          {"aulc_minus_random_ci95", ToJson(summary.aulc_minus_random_ci95)},
          {"labels_to_match_random", ToJson(summary.labels_to_match_random)},
          {"cost_to_match_random", ToJson(summary.cost_to_match_random)},
          {"final_class_ap50", ToJson(summary.final_class_ap50)}};
}

Json ToJson(const Comparison& comparison) {
  return {{"axis", NameOf(comparison.axis)},
          {"strategy", comparison.strategy},
          {"baseline", comparison.baseline},
          {"seeds", comparison.seeds},
          {"mean", ToJson(comparison.mean)},
          {"t95", ToJson(comparison.t95)},
          {"bootstrap95", ToJson(comparison.bootstrap95)},
          {"p", ToJson(comparison.p)},
          {"p_holm", ToJson(comparison.p_holm)},
          {"t_holm", ToJson(comparison.t_holm)},
          {"significant", comparison.significant},
          {"tie", comparison.tie}};
}

Json ToJson(const WinMatrix& matrix) {
  Json wins = Json::array();
  for (const std::vector<Number>& row : matrix.wins) wins.push_back(ToJson(row));
  return {{"axis", NameOf(matrix.axis)},
          {"strategies", matrix.strategies},
          {"wins", wins},
          {"significant", matrix.significant}};
}

Json ToJson(const LookupRow& row) {
  Json weights = Json::array();
  for (const WeightRow& weight : row.weights) {
    weights.push_back({{"feature", weight.feature},
                       {"weight", weight.weight},
                       {"standard_deviation", ToJson(weight.standard_deviation)},
                       {"covariance", weight.covariance},
                       {"prior_weight", weight.prior_weight},
                       {"prior_standard_deviation", weight.prior_standard_deviation},
                       {"random_gain", ToJson(weight.random_gain)}});
  }
  return {{"seed", row.seed},
          {"cycle", row.cycle},
          {"strategy", row.strategy},
          {"probes", row.probes},
          {"replay_probes", row.replay_probes},
          {"cells", row.cells},
          {"fidelity", ToJson(row.fidelity)},
          {"response_fidelity", ToJson(row.response_fidelity)},
          {"test_retest", ToJson(row.test_retest)},
          {"seconds_per_probe", ToJson(row.seconds_per_probe)},
          {"seconds_per_lookup", ToJson(row.seconds_per_lookup)},
          {"selector_gain", ToJson(row.selector_gain)},
          {"greedy_gain", ToJson(row.greedy_gain)},
          {"weights", weights},
          {"weights_fitted", row.weights_fitted},
          {"kappa", ToJson(row.kappa)},
          {"kappa_standard_deviation", ToJson(row.kappa_standard_deviation)},
          {"residual_share", ToJson(row.residual_share)},
          {"level", ToJson(row.level)}};
}

template <typename Item>
Json ListOf(const std::vector<Item>& items) {
  Json list = Json::array();
  for (const Item& item : items) list.push_back(ToJson(item));
  return list;
}

}  // namespace

Json ToJson(const Number& number) {
  return number && std::isfinite(*number) ? Json(*number) : Json(nullptr);
}

Json ToJson(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return Json::array({ToJson(Number(interval->low)), ToJson(Number(interval->high))});
}

const char* NameOf(Axis axis) {
  static const char* const kNames[] = {"images", "boxes", "cost"};
  return kNames[static_cast<size_t>(axis)];
}

bool SeesLabels(const std::string& strategy) {
  return strategy == kTrueCounts || strategy == kBestOf;
}

Json ResultsToJson(const Results& results) {
  return {{"dataset", results.dataset},
          {"classes", results.classes},
          {"protocol", results.protocol},
          {"runs", ListOf(results.runs)},
          {"summary", ListOf(results.summary)},
          {"against_random", ListOf(results.against_random)},
          {"against_best_baseline", ListOf(results.against_best_baseline)},
          {"win_matrices", ListOf(results.win_matrices)},
          {"lookup", ListOf(results.lookup)}};
}

absl::Status WriteResults(const Results& results, const std::string& file) {
  // Names from outside may hold broken UTF-8: replaced, never a reason to lose a run.
  return ReplaceFile(
      file, ResultsToJson(results).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace mgral::client
