#include "client/cpp/report/sections.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/charts.h"
#include "client/cpp/report/comparison.h"
#include "client/cpp/report/curve.h"
#include "client/cpp/report/headline.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/report/summary.h"
#include "client/cpp/report/table.h"

namespace mgral::client {
namespace {

std::string Card(const std::string& value, const std::string& what, const std::string& detail) {
  return absl::StrFormat(
      "<div class='card'><p class='value'>%s</p><p class='what'>%s</p><p class='detail'>%s</p>"
      "</div>",
      Escape(value), Escape(what), Escape(detail));
}

// The difference to random of the strategy that the headline speaks of.
std::string AreaCard(const Results& results, Axis axis, const char* what) {
  const Comparison* with_random =
      FindComparison(results.against_random, axis, FocusStrategy(results));
  if (with_random == nullptr) return "";
  return Card(
      Points(with_random->mean), what,
      with_random->t95
          ? absl::StrCat("points against random, 95\u00a0%: ", Points(with_random->t95->low),
                         " to ", Points(with_random->t95->high))
          : "points against random, one seed");
}

std::string Cards(const Results& results) {
  const StrategySummary* focus = FindSummary(results, FocusStrategy(results));
  if (focus == nullptr) return "";
  std::string html = "<div class='cards'>";
  html += Card(
      Decimal(focus->final_map50, 3), absl::StrCat("final mAP@.5, ", focus->strategy),
      absl::StrFormat("%.0f labels, %s", focus->final_labels.value_or(0),
                      focus->seeds == 1 ? std::string("one seed")
                                        : absl::StrCat("mean of ", focus->seeds, "\u00a0seeds")));
  const StrategySummary* random = FindSummary(results, "random");
  if (random != nullptr && random != focus && random->final_map50) {
    html += Card(Decimal(random->final_map50, 3), "final mAP@.5, random", "the same budget");
    html += AreaCard(results, Axis::kCost, "area over cost");
    html += AreaCard(results, Axis::kImages, "area over images");
  }
  const LookupMeans means = MeanOfTables(results, focus->strategy);
  const Number probe = Mean(means.probe);
  const Number lookup = Mean(means.lookup);
  if (probe && lookup && *lookup > 0) {
    html += Card(PowerOfTen(*probe / *lookup) + " ×", "look-up cheaper than a probe",
                 absl::StrCat(Duration(lookup), " instead of ", Duration(probe)));
  }
  return html + "</div>";
}

std::string StrategyLegend(const Results& results) {
  std::string html = "<ul class='legend'>";
  const std::vector<std::string> names = StrategyNames(results);
  for (size_t i = 0; i < names.size(); ++i) {
    html += absl::StrFormat("<li style='--c:%s'%s><i class='line'></i>%s</li>",
                            StrategyColor(names[i], i),
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
  return most == 2
             ? "Bands span the two seeds; thin lines are single seeds."
             : "Bands are 95\u00a0% t\u2011intervals over seeds; thin lines are single seeds.";
}

std::string ShareOfCost(const StrategySummary& summary, const StrategySummary& random) {
  if (!summary.cost_to_match_random || random.final_cost.value_or(0) <= 0) return "";
  return absl::StrFormat(", %.0f %% of cost",
                         100 * *summary.cost_to_match_random / *random.final_cost);
}

// How many labels each strategy needs for what random reaches with all of its own.
std::string LabelsSaved(const Results& results) {
  const StrategySummary* random = FindSummary(results, "random");
  if (random == nullptr || !random->final_map50 || !random->final_labels) return "";
  const Curve curve = MeanCurve(RunsOf(results, "random"));
  if (curve.size() > 1 && curve.back().second <= curve.front().second) return "";
  std::string rows;
  for (size_t i = 0; i < results.summary.size(); ++i) {
    const StrategySummary& summary = results.summary[i];
    if (summary.strategy == "random" || !summary.final_map50) continue;
    const double all = *random->final_labels;
    const double needed = summary.labels_to_match_random.value_or(all);
    const std::string text =
        summary.labels_to_match_random
            ? absl::StrFormat("%.0f of %.0f (%.0f %%)", needed, all, 100 * needed / all) +
                  ShareOfCost(summary, *random)
            : absl::StrFormat("not reached with %.0f", summary.final_labels.value_or(all));
    rows += absl::StrFormat(
        "<div class='bar%s' style='--c:%s;--w:%.1f%%'><span class='name'>%s</span><span "
        "class='track'><i></i></span><span class='text'>%s</span></div>",
        summary.labels_to_match_random ? "" : " never", StrategyColor(summary.strategy, i),
        std::min(100.0, 100 * needed / all), Escape(summary.strategy), text);
  }
  if (rows.empty()) return "";
  return absl::StrFormat(
      "<h3>Labeled images needed for random’s final mAP@.5 of %s</h3><div class='bars'>%s</div>",
      Decimal(random->final_map50), rows);
}

std::string FlatValue(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "–";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_object()) {
    std::string text;
    for (const auto& [key, item] : value.items())
      absl::StrAppend(&text, text.empty() ? "" : ", ", key, " = ", FlatValue(item));
    return text;
  }
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
  static const char* const kNames[] = {"images", "boxes", "labeling cost"};
  std::string switches, charts;
  for (const Axis axis : kAxes) {
    const std::string chart = LearningCurveChart(results, axis);
    if (chart.empty()) continue;
    const char* name = NameOf(axis);
    absl::StrAppend(&switches, "<input type='radio' name='axis' id='axis-", name, "'",
                    axis == PrimaryAxis(results) ? " checked" : "", "/><label for='axis-", name,
                    "'>", kNames[static_cast<size_t>(axis)], "</label>");
    absl::StrAppend(&charts, "<div class='panel over-", name,
                    "'><div class='scroll'><div class='wide'>", chart, "</div></div></div>");
  }
  if (charts.empty()) return "";
  return absl::StrCat(
      "<section><h2>Learning curves</h2>", StrategyLegend(results),
      "<div class='axes'><span>over</span>", switches, charts,
      "</div><p class='note'>Mean average precision at IoU 0.5 on test images that no "
      "strategy ever sees. ",
      BandNote(results), "</p></section>");
}

std::string SummarySection(const Results& results) {
  if (results.summary.empty()) return "";
  std::string rows;
  for (const StrategySummary& summary : results.summary) {
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, summary.strategy),
                    Cell(absl::StrCat(summary.seeds)), Cell(Decimal(summary.aulc_cost)),
                    Cell(Decimal(summary.aulc_boxes)), Cell(Decimal(summary.aulc)),
                    Cell(Decimal(summary.final_map50)));
    absl::StrAppend(&rows, Cell(IntervalText(summary.final_map50_ci95)),
                    Cell(Decimal(summary.final_map)), Cell(Decimal(summary.final_boxes, 0)),
                    "</tr>");
  }
  return absl::StrCat(
      "<section><h2>Summary</h2>",
      Table({"strategy", "seeds", "area over cost", "over boxes", "over images", "final mAP@.5",
             "95 % interval", "final mAP@[.5:.95]", "final boxes"},
            rows),
      "<p class='note'>Area under the learning curve of mAP@.5, divided by its range: over images "
      "the whole of it, over boxes and cost the part that all strategies of a seed share. Means "
      "over seeds; the interval is a t-interval, with one seed there is none.</p>",
      LabelsSaved(results), "</section>");
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
  return absl::StrCat(
      "<section><h2>Average precision per class at the end</h2>",
      absl::StrFormat("<div class='even' style='--columns:%d'>", head.size()), Table(head, rows),
      "</div><p class='note'>AP at IoU 0.5 on the test images, mean over seeds. A dash: "
      "no object of the class in the test images.</p></section>");
}

std::string ProtocolList(const nlohmann::ordered_json& protocol) {
  std::string rows;
  for (const auto& [key, value] : protocol.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    absl::StrAppend(&rows, "<div><dt>", Escape(name), "</dt><dd>", Escape(FlatValue(value)),
                    "</dd></div>");
  }
  return absl::StrCat("<dl class='protocol'>", rows, "</dl>");
}

std::string ProtocolSection(const Results& results) {
  std::string caveats;
  for (const std::string& caveat : Caveats(results)) {
    absl::StrAppend(&caveats, "<li>", Escape(caveat), "</li>");
  }
  return absl::StrCat("<section><h2>How it was measured</h2>", ProtocolList(results.protocol),
                      "<h3>Before you rely on it</h3><ul class='caveats'>", caveats,
                      "</ul></section>");
}

}  // namespace mgral::client
