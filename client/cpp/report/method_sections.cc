// What the look-up table promised, how true it was and what it cost.
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/charts.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/sections.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/report/summary.h"
#include "client/cpp/report/table.h"

namespace mgral::client {

std::string GainSection(const Results& results) {
  const std::vector<GainPair> pairs = GainPairs(results);
  if (pairs.empty()) return "";
  std::vector<std::pair<double, double>> validation, test;
  double error = 0;
  std::vector<double> realized;
  for (const GainPair& pair : pairs) {
    validation.emplace_back(pair.estimated, pair.realized);
    if (pair.test) test.emplace_back(pair.estimated, *pair.test);
    error += std::abs(pair.estimated - pair.realized);
    realized.push_back(pair.realized);
  }
  const Interval range = *Range(realized);
  std::string facts = absl::StrFormat(
      "<dl class='facts'><div><dt>batches</dt><dd>%d</dd></div><div><dt>mean absolute "
      "error</dt><dd>%s points</dd></div><div><dt>rank correlation, validation</dt><dd>%s</dd>"
      "</div><div><dt>rank correlation, test</dt><dd>%s</dd></div><div><dt>realized gains "
      "span</dt><dd>%s to %s points</dd></div></dl>",
      pairs.size(), Decimal(100 * error / static_cast<double>(pairs.size()), 1),
      Decimal(RankCorrelation(validation), 2), Decimal(RankCorrelation(test), 2), Points(range.low),
      Points(range.high));
  return absl::StrCat(
      "<section><h2>Predicted and realized gain</h2><div class='split'>", GainChart(results),
      "<div>", facts,
      "<p class='note'>One filled dot per batch: what the look-up table promised, with its "
      "standard error, against the change of mAP@.5 that the next cycle measured on the "
      "validation images. Hollow: the change on the test images. On the dashed line the promise "
      "was kept. A gain also contains the luck of two trainings; compare its spread with the "
      "table’s ceiling below.</p></div></div></section>");
}

std::string FidelitySection(const Results& results) {
  if (results.lookup.empty()) return "";
  std::string rows;
  for (const LookupRow& row : results.lookup) {
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, row.strategy),
                    Cell(absl::StrCat(row.seed)), Cell(absl::StrCat(row.cycle)),
                    Cell(absl::StrCat(row.cells)), Cell(absl::StrCat(row.replay_probes)));
    absl::StrAppend(&rows, Cell(Decimal(row.fidelity, 2)), Cell(Decimal(row.test_retest, 2)),
                    Cell(Points(row.selector_gain)), Cell(Points(row.greedy_gain)), "</tr>");
  }
  std::string means;
  for (const std::string& strategy : StrategyNames(results)) {
    const LookupMeans mean = MeanOfTables(results, strategy);
    if (mean.tables == 0) continue;
    absl::StrAppend(&means, "<tr>", StrategyCell(results, strategy),
                    Cell(absl::StrCat(mean.tables)), Cell(Decimal(Mean(mean.fidelity), 2)),
                    Cell(Range(mean.fidelity) ? IntervalText(Range(mean.fidelity), 2) : "–"));
    absl::StrAppend(&means, Cell(Decimal(Mean(mean.test_retest), 2)),
                    Cell(Points(Mean(mean.selector))), Cell(Points(Mean(mean.greedy))), "</tr>");
  }
  return absl::StrCat(
      "<section><h2>The look-up table’s fidelity</h2>",
      Table({"strategy", "tables", "fidelity", "lowest … highest", "ceiling", "selector’s gain",
             "greedy’s gain"},
            means),
      "<p class='note'>Means over all tables that were fitted. Fidelity: rank correlation of "
      "what the table says of replay probes, fitted without those of their base, and what they "
      "measured (1 is perfect, 0 is chance). Ceiling: the fidelity of a perfect table, as far as "
      "the measurement repeats. Gains of the selector’s and of the greedy maximizer’s batch are by "
      "the table, in "
      "points. A dash: not measured.</p><details class='plain'><summary>Every table</summary>",
      Table({"strategy", "seed", "cycle", "cells", "replay probes", "fidelity", "ceiling",
             "selector’s gain", "greedy’s gain"},
            rows),
      "</details></section>");
}

std::string LookupCostTable(const Results& results) {
  std::string rows;
  for (const std::string& strategy : StrategyNames(results)) {
    const LookupMeans means = MeanOfTables(results, strategy);
    const Number probe = Mean(means.probe);
    const Number lookup = Mean(means.lookup);
    if (!probe || !lookup || *lookup <= 0) continue;
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, strategy), Cell(Duration(probe)),
                    Cell(Duration(lookup)), Cell(PowerOfTen(*probe / *lookup) + " ×"), "</tr>");
  }
  if (rows.empty()) return "";
  return "<h3>A look-up and a probe</h3>" +
         Table({"strategy", "one probe", "one look-up", "cheaper by"}, rows);
}

std::string CostSection(const Results& results) {
  struct Stage {
    const char* name;
    Number StageSeconds::*seconds;
  };
  static constexpr Stage kStages[] = {
      {"train", &StageSeconds::train},       {"embed", &StageSeconds::embed},
      {"probe", &StageSeconds::probe},       {"table", &StageSeconds::table},
      {"selector", &StageSeconds::selector}, {"query", &StageSeconds::query}};
  std::string rows, legend = "<ul class='legend'>";
  for (size_t s = 0; s < std::size(kStages); ++s) {
    absl::StrAppend(&legend, "<li style='--c:var(--t", s, ")'><i class='box full'></i>",
                    kStages[s].name, "</li>");
  }
  std::vector<std::pair<std::string, std::vector<double>>> all;
  double longest = 0;
  for (const std::string& strategy : StrategyNames(results)) {
    const std::vector<const StrategyRun*> runs = RunsOf(results, strategy);
    if (runs.empty()) continue;
    std::vector<double> seconds;
    double total = 0;
    for (const Stage& stage : kStages) {
      double sum = 0;
      for (const StrategyRun* run : runs) sum += (run->seconds.*stage.seconds).value_or(0);
      seconds.push_back(sum / static_cast<double>(runs.size()));
      total += seconds.back();
    }
    longest = std::max(longest, total);
    all.emplace_back(strategy, seconds);
  }
  if (longest <= 0) return "";
  for (const auto& [strategy, seconds] : all) {
    std::string parts;
    double total = 0;
    for (size_t s = 0; s < seconds.size(); ++s) {
      parts += absl::StrFormat("<i style='--c:var(--t%d);--w:%.2f%%' title='%s: %s'></i>", s,
                               100 * seconds[s] / longest, kStages[s].name, Duration(seconds[s]));
      total += seconds[s];
    }
    rows += absl::StrFormat(
        "<div class='bar stack'><span class='name'>%s</span><span class='track'>%s</span><span "
        "class='text'>%s</span></div>",
        Escape(strategy), parts, Duration(total));
  }
  return absl::StrCat("<section><h2>Time per run</h2>", legend, "</ul><div class='bars'>", rows,
                      "</div><p class='note'>Work of all cycles of a run, mean over seeds. Query "
                      "is the time that an annotator waits for batches.</p>",
                      LookupCostTable(results), "</section>");
}

}  // namespace mgral::client
