#include "client/cpp/report/sections.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/charts.h"
#include "client/cpp/report/headline.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

std::string Card(const std::string& value, const std::string& what, const std::string& detail) {
  return absl::StrFormat(
      "<div class='card'><p class='value'>%s</p><p class='what'>%s</p><p class='detail'>%s</p>"
      "</div>",
      Escape(value), Escape(what), Escape(detail));
}

std::string Cell(const std::string& text) {
  return absl::StrCat("<td class='num'>", Escape(text), "</td>");
}

std::string StrategyCell(const Results& results, const std::string& strategy) {
  const std::vector<std::string> names = StrategyNames(results);
  const auto at = std::find(names.begin(), names.end(), strategy) - names.begin();
  return absl::StrFormat("<th scope='row' style='--c:%s'><i class='key'></i>%s</th>",
                         StrategyColour(strategy, static_cast<size_t>(at)), Escape(strategy));
}

std::string Table(const std::vector<std::string>& head, const std::string& rows) {
  std::string html = "<div class='scroll'><table><thead><tr>";
  for (size_t i = 0; i < head.size(); ++i) {
    absl::StrAppend(&html, i == 0 ? "<th>" : "<th class='num'>", Escape(head[i]), "</th>");
  }
  return absl::StrCat(html, "</tr></thead><tbody>", rows, "</tbody></table></div>");
}

std::string Cards(const Results& results) {
  const StrategySummary* focus = FindSummary(results, FocusStrategy(results));
  if (focus == nullptr) return "";
  std::string html = "<div class='cards'>";
  html += Card(Decimal(focus->final_map50, 3), absl::StrCat("final mAP@.5, ", focus->strategy),
               absl::StrFormat("%.0f labels, mean of %d %s", focus->final_labels.value_or(0),
                               focus->seeds, focus->seeds == 1 ? "seed" : "seeds"));
  const StrategySummary* random = FindSummary(results, "random");
  if (random != nullptr && random != focus && random->final_map50) {
    html += Card(Decimal(random->final_map50, 3), "final mAP@.5, random", "the same budget");
    html += Card(Points(focus->aulc_minus_random), "area under the curve",
                 focus->aulc_minus_random_ci95
                     ? absl::StrCat("points against random, 95 %: ",
                                    Points(focus->aulc_minus_random_ci95->low), " to ",
                                    Points(focus->aulc_minus_random_ci95->high))
                     : "points against random, one seed");
  }
  double probe = 0, lookup = 0;
  int counted = 0;
  for (const LookupRow& row : results.lookup) {
    if (!row.seconds_per_probe || !row.seconds_per_lookup || *row.seconds_per_lookup <= 0) continue;
    probe += *row.seconds_per_probe;
    lookup += *row.seconds_per_lookup;
    ++counted;
  }
  if (counted > 0) {
    html +=
        Card(PowerOfTen(probe / lookup) + " ×", "look-up cheaper than a probe",
             absl::StrCat(Duration(lookup / counted), " instead of ", Duration(probe / counted)));
  }
  return html + "</div>";
}

std::string StrategyLegend(const Results& results) {
  std::string html = "<ul class='legend'>";
  const std::vector<std::string> names = StrategyNames(results);
  for (size_t i = 0; i < names.size(); ++i) {
    html += absl::StrFormat("<li style='--c:%s'%s><i class='line'></i>%s</li>",
                            StrategyColour(names[i], i),
                            names[i] == "random" ? " class='baseline'" : "", Escape(names[i]));
  }
  return html + "</ul>";
}

std::string BandNote(const Results& results) {
  size_t most = 0;
  for (const std::string& name : StrategyNames(results)) {
    most = std::max(most, RunsOf(results, name).size());
  }
  if (most < 2) return "One seed: no interval.";
  return most == 2 ? "Bands span the two seeds; thin lines are single seeds."
                   : "Bands are 95 % t-intervals over seeds; thin lines are single seeds.";
}

// How many labels each strategy needs for what random reaches with all of its own.
std::string LabelsSaved(const Results& results) {
  const StrategySummary* random = FindSummary(results, "random");
  if (random == nullptr || !random->final_map50 || !random->final_labels) return "";
  std::string rows;
  for (size_t i = 0; i < results.summary.size(); ++i) {
    const StrategySummary& summary = results.summary[i];
    if (summary.strategy == "random" || !summary.final_map50) continue;
    const double all = *random->final_labels;
    const double needed = summary.labels_to_match_random.value_or(all);
    const std::string text =
        summary.labels_to_match_random
            ? absl::StrFormat("%.0f of %.0f labels (%.0f %%)", needed, all, 100 * needed / all)
            : absl::StrFormat("not reached with %.0f labels", summary.final_labels.value_or(all));
    rows += absl::StrFormat(
        "<div class='bar%s' style='--c:%s;--w:%.1f%%'><span class='name'>%s</span><span "
        "class='track'><i></i></span><span class='text'>%s</span></div>",
        summary.labels_to_match_random ? "" : " never", StrategyColour(summary.strategy, i),
        std::min(100.0, 100 * needed / all), Escape(summary.strategy), text);
  }
  if (rows.empty()) return "";
  return absl::StrFormat(
      "<h3>Labels needed for random’s final mAP@.5 of %s</h3><div class='bars'>%s</div>",
      Decimal(random->final_map50), rows);
}

std::string FlatValue(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array())
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string text;
  for (const auto& item : value) absl::StrAppend(&text, text.empty() ? "" : ", ", FlatValue(item));
  return text;
}

}  // namespace

std::string HeaderSection(const Results& results) {
  const Headline headline = MakeHeadline(results);
  return absl::StrFormat(
      "<header class='top'><p class='eyebrow'><b>mgral</b> simulation on <b>%s</b></p><h1>%s</h1>"
      "<p class='lead'>%s</p>%s</header>",
      Escape(results.dataset), Escape(headline.finding), Escape(headline.support), Cards(results));
}

std::string CurveSection(const Results& results) {
  const std::string chart = LearningCurveChart(results);
  if (chart.empty()) return "";
  return absl::StrCat("<section><h2>Learning curves</h2>", StrategyLegend(results), chart,
                      "<p class='note'>Mean average precision at IoU 0.5 on test images that no "
                      "strategy ever sees. ",
                      BandNote(results), "</p></section>");
}

std::string SummarySection(const Results& results) {
  if (results.summary.empty()) return "";
  std::string rows;
  for (const StrategySummary& summary : results.summary) {
    absl::StrAppend(
        &rows, "<tr>", StrategyCell(results, summary.strategy), Cell(absl::StrCat(summary.seeds)),
        Cell(Decimal(summary.aulc)), Cell(IntervalText(summary.aulc_ci95)),
        Cell(Points(summary.aulc_minus_random)), Cell(Decimal(summary.final_map50)),
        Cell(IntervalText(summary.final_map50_ci95)), Cell(Decimal(summary.final_map)), "</tr>");
  }
  return absl::StrCat(
      "<section><h2>Summary</h2>",
      Table({"strategy", "seeds", "AULC", "95 % interval", "vs random, points", "final mAP@.5",
             "95 % interval", "final mAP@[.5:.95]"},
            rows),
      "<p class='note'>AULC: area under the learning curve of mAP@.5, divided by the range of "
      "labels. Intervals are t-intervals over seeds; with one seed there is none. Differences "
      "are taken per seed, on the same initial labels.</p>",
      LabelsSaved(results), "</section>");
}

std::string GainSection(const Results& results) {
  const std::vector<GainPair> pairs = GainPairs(results);
  if (pairs.empty()) return "";
  std::vector<std::pair<double, double>> validation, test;
  double error = 0;
  std::vector<double> realised;
  for (const GainPair& pair : pairs) {
    validation.emplace_back(pair.estimated, pair.realised);
    if (pair.test) test.emplace_back(pair.estimated, *pair.test);
    error += std::abs(pair.estimated - pair.realised);
    realised.push_back(pair.realised);
  }
  const Interval range = *Range(realised);
  std::string facts = absl::StrFormat(
      "<dl class='facts'><div><dt>batches</dt><dd>%d</dd></div><div><dt>mean absolute "
      "error</dt><dd>%s points</dd></div><div><dt>rank correlation, validation</dt><dd>%s</dd>"
      "</div><div><dt>rank correlation, test</dt><dd>%s</dd></div><div><dt>realised gains "
      "span</dt><dd>%s to %s points</dd></div></dl>",
      pairs.size(), Decimal(100 * error / static_cast<double>(pairs.size()), 1),
      Decimal(RankCorrelation(validation), 2), Decimal(RankCorrelation(test), 2), Points(range.low),
      Points(range.high));
  return absl::StrCat(
      "<section><h2>Predicted and realised gain</h2><div class='split'>", GainChart(results),
      "<div>", facts,
      "<p class='note'>One filled dot per batch: what the look-up table promised, with its "
      "standard error, against the change of mAP@.5 that the next cycle measured on the "
      "validation images. Hollow: the change on the test images. On the dashed line the promise "
      "was kept. A gain also contains the luck of two trainings; compare its spread with the "
      "table’s test-retest figure below.</p></div></div></section>");
}

std::string FidelitySection(const Results& results) {
  if (results.lookup.empty()) return "";
  std::string rows;
  for (const LookupRow& row : results.lookup) {
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, row.strategy),
                    Cell(absl::StrCat(row.seed)), Cell(absl::StrCat(row.cycle)),
                    Cell(absl::StrCat(row.cells)), Cell(absl::StrCat(row.probes)),
                    Cell(absl::StrCat(row.replay_probes)));
    absl::StrAppend(&rows, Cell(Decimal(row.fidelity, 2)), Cell(Decimal(row.test_retest, 2)),
                    Cell(Decimal(row.response_fidelity, 2)), Cell(Points(row.selector_gain)),
                    Cell(Points(row.greedy_gain)), "</tr>");
  }
  return absl::StrCat(
      "<section><h2>The look-up table’s fidelity</h2>",
      Table({"strategy", "seed", "cycle", "cells", "probes", "replay probes", "fidelity",
             "test-retest", "response", "selector’s gain", "greedy’s gain"},
            rows),
      "<p class='note'>Fidelity: leave-one-out rank correlation of estimated and measured gain "
      "over replay probes (1 is perfect, 0 is chance). Test-retest: what repeating the "
      "measurement itself reaches, so the most that fidelity can be expected to. Response: the "
      "same over semi-supervised responses, which says how smooth they are and not how true. "
      "Gains of the selector’s and of the greedy maximiser’s batch are by the table, in "
      "points.</p></section>");
}

std::string ClassSection(const Results& results) {
  bool any = false;
  for (const StrategySummary& summary : results.summary) {
    for (const Number& ap : summary.final_class_ap50) any = any || ap.has_value();
  }
  if (!any) return "";
  std::vector<std::string> head = {"class"};
  for (const StrategySummary& summary : results.summary) head.push_back(summary.strategy);
  std::string rows;
  for (size_t k = 0; k < results.classes.size(); ++k) {
    absl::StrAppend(&rows, "<tr><th scope='row'>", Escape(results.classes[k]), "</th>");
    for (const StrategySummary& summary : results.summary) {
      const Number ap =
          k < summary.final_class_ap50.size() ? summary.final_class_ap50[k] : Number();
      rows += absl::StrFormat("<td class='num heat' style='--w:%.0f%%'>%s</td>",
                              100 * std::clamp(ap.value_or(0), 0.0, 1.0), Decimal(ap, 2));
    }
    rows += "</tr>";
  }
  return absl::StrCat("<section><h2>Average precision per class at the end</h2>", Table(head, rows),
                      "<p class='note'>AP at IoU 0.5 on the test images, mean over seeds. A dash: "
                      "no object of the class in the test images.</p></section>");
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
  std::string lookups;
  for (const LookupRow& row : results.lookup) {
    if (!row.seconds_per_probe || !row.seconds_per_lookup || *row.seconds_per_lookup <= 0) continue;
    absl::StrAppend(&lookups, "<tr>", StrategyCell(results, row.strategy),
                    Cell(absl::StrCat(row.seed)), Cell(absl::StrCat(row.cycle)),
                    Cell(Duration(row.seconds_per_probe)), Cell(Duration(row.seconds_per_lookup)),
                    Cell(PowerOfTen(*row.seconds_per_probe / *row.seconds_per_lookup) + " ×"),
                    "</tr>");
  }
  if (!lookups.empty()) {
    lookups =
        "<h3>A look-up and the fine-tune that it replaces</h3>" +
        Table({"strategy", "seed", "cycle", "one probe", "one look-up", "cheaper by"}, lookups);
  }
  return absl::StrCat("<section><h2>Time per run</h2>", legend, "</ul><div class='bars'>", rows,
                      "</div><p class='note'>Work of all cycles of a run, mean over seeds. Query "
                      "is the time that an annotator waits for batches.</p>",
                      lookups, "</section>");
}

std::string ProtocolSection(const Results& results) {
  std::string rows;
  for (const auto& [key, value] : results.protocol.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    absl::StrAppend(&rows, "<div><dt>", Escape(name), "</dt><dd>", Escape(FlatValue(value)),
                    "</dd></div>");
  }
  std::string caveats;
  for (const std::string& caveat : Caveats(results)) {
    absl::StrAppend(&caveats, "<li>", Escape(caveat), "</li>");
  }
  return absl::StrCat("<section><h2>How it was measured</h2><dl class='protocol'>", rows,
                      "</dl><h3>Before you rely on it</h3><ul class='caveats'>", caveats,
                      "</ul></section>");
}

}  // namespace mgral::client
