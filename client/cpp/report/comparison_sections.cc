// Which differences between the strategies the runs carry.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/comparison.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/sections.h"
#include "client/cpp/report/table.h"

namespace mgral::client {
namespace {

const char* OverAxis(Axis axis) {
  static const char* const kWords[] = {"over images", "over boxes", "over labeling cost"};
  return kWords[static_cast<size_t>(axis)];
}

std::string PointsInterval(const std::optional<Interval>& interval) {
  if (!interval) return "–";
  return absl::StrCat(Points(interval->low), " … ", Points(interval->high));
}

std::string RandomTable(const Results& results, Axis axis) {
  std::string rows;
  for (const Comparison& each : results.against_random) {
    if (each.axis != axis) continue;
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, each.strategy),
                    Cell(absl::StrCat(each.seeds)), Cell(Points(each.mean)),
                    Cell(PointsInterval(each.t95)), Cell(PointsInterval(each.bootstrap95)));
    absl::StrAppend(&rows, Cell(PValue(each.p)), Cell(PValue(each.p_holm)),
                    Cell(PointsInterval(each.t_holm)), Cell(VerdictOf(each)), "</tr>");
  }
  if (rows.empty()) return "";
  return Table({"strategy", "seeds", "points", "95 % interval", "bootstrap", "p", "p, Holm",
                "interval, Holm", "than random"},
               rows);
}

std::string BestBaselineTable(const Results& results, Axis axis) {
  std::string rows;
  for (const Comparison& each : results.against_best_baseline) {
    if (each.axis != axis) continue;
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, each.strategy), Cell(each.baseline),
                    Cell(absl::StrCat(each.seeds)), Cell(Points(each.mean)),
                    Cell(PointsInterval(each.t95)));
    absl::StrAppend(&rows, Cell(PointsInterval(each.bootstrap95)), Cell(PValue(each.p_holm)),
                    Cell(VerdictOf(each)), "</tr>");
  }
  if (rows.empty()) return "";
  return Table({"strategy", "baseline", "seeds", "points", "95 % interval", "bootstrap", "p, Holm",
                "than baseline"},
               rows);
}

// Shares of one seed would look like victories.
bool OneSeedEach(const Results& results) {
  std::map<std::string, int> seeds;
  for (const StrategyRun& run : results.runs) seeds[run.strategy] += run.complete;
  return std::all_of(seeds.begin(), seeds.end(), [](const auto& each) { return each.second < 2; });
}

std::string WinTable(const Results& results, const WinMatrix& matrix) {
  std::vector<std::string> head = {"wins against"};
  head.insert(head.end(), matrix.strategies.begin(), matrix.strategies.end());
  std::string rows;
  for (size_t i = 0; i < matrix.strategies.size(); ++i) {
    absl::StrAppend(&rows, "<tr>", StrategyCell(results, matrix.strategies[i]));
    for (size_t j = 0; j < matrix.strategies.size(); ++j) {
      const Number& share = matrix.wins[i][j];
      rows += absl::StrFormat(
          "<td class='num heat' style='--w:%.0f%%'>%s</td>", 100 * share.value_or(0),
          share ? absl::StrFormat(matrix.significant[i][j] ? "<b>%.0f %% *</b>" : "%.0f %%",
                                  100 * *share)
                : std::string(i == j ? "" : "–"));
    }
    rows += "</tr>";
  }
  return absl::StrCat("<h3>Who beats whom ", OverAxis(matrix.axis), "</h3>",
                      absl::StrFormat("<div class='even' style='--columns:%d'>", head.size()),
                      Table(head, rows), "</div>");
}

}  // namespace

std::string ComparisonSection(const Results& results) {
  if (results.win_matrices.empty()) return "";
  const Axis primary = PrimaryAxis(results);
  std::string html = "<section><h2>What the runs settle</h2>";
  std::string more;
  for (const Axis axis : {Axis::kCost, Axis::kImages, Axis::kBoxes}) {
    const std::string random = RandomTable(results, axis);
    const std::string best = BestBaselineTable(results, axis);
    std::string* to = axis == Axis::kBoxes ? &more : &html;
    if (!random.empty()) {
      absl::StrAppend(to, "<h3>Area ", OverAxis(axis), ", against random",
                      axis == primary ? ": the primary endpoint" : "", "</h3>", random);
    }
    if (axis != primary) to = &more;
    if (!best.empty()) {
      absl::StrAppend(to, "<h3>Area ", OverAxis(axis), ", against the best other baseline</h3>",
                      best);
    }
  }
  for (const WinMatrix& matrix : results.win_matrices) {
    if (OneSeedEach(results)) break;
    absl::StrAppend(matrix.axis == primary ? &html : &more, WinTable(results, matrix));
  }
  if (!more.empty()) {
    absl::StrAppend(&html, "<details class='plain'><summary>More comparisons</summary>", more,
                    "</details>");
  }
  return absl::StrCat(
      html,
      "<p class='note'>Differences are taken per seed, on the same initial labels, in points of "
      "mAP@.5. p: two-sided paired t-test; Holm’s correction is over all strategies against "
      "random, and over all pairs in the other two tables. A strategy is better or worse where "
      "the corrected p is below 0.05, and a tie where the 90 % interval lies within ±1 point. The "
      "bootstrap draws seeds; with few of them its interval is too narrow. Shares are of the "
      "seeds; * marks a row that is significantly better than the column.</p></section>");
}

}  // namespace mgral::client
