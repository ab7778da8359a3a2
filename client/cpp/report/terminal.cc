#include "client/cpp/report/terminal.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "client/cpp/report/comparison.h"
#include "client/cpp/report/curve.h"
#include "client/cpp/report/headline.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

constexpr size_t kMostColumns = 9;

// Eight heights between the lowest and the highest value of all curves.
std::string Sparkline(const Curve& curve, const Interval& range) {
  static const char* const kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string line;
  for (const auto& [labels, map50] : curve) {
    const double share = (map50 - range.low) / std::max(1e-9, range.high - range.low);
    line += kBlocks[std::clamp(static_cast<int>(std::lround(7 * share)), 0, 7)];
  }
  return line;
}

std::string Column(const Number& value) {
  return value ? absl::StrFormat("%7.3f", *value) : absl::StrFormat("%7s", "-");
}

// Every strategy against random, on the primary endpoint and over images.
void PrintComparisons(const Results& results, std::ostream& out) {
  const Axis primary = PrimaryAxis(results);
  for (const Axis axis : {primary, Axis::kImages}) {
    std::string rows;
    for (const Comparison& each : results.against_random) {
      if (each.axis != axis) continue;
      absl::StrAppendFormat(&rows, "  %-16.16s %s points", each.strategy, Points(each.mean));
      if (each.t95) {
        absl::StrAppendFormat(&rows, " (%s to %s), p %s", Points(each.t95->low),
                              Points(each.t95->high), PValue(each.p_holm));
      }
      absl::StrAppendFormat(&rows, ": %s\n", VerdictOf(each));
    }
    if (rows.empty()) continue;
    out << "\nAgainst random, area over "
        << (axis == Axis::kCost ? "labeling cost, the primary endpoint" : "images")
        << " (95 % interval, p after Holm’s correction):\n"
        << rows;
    if (primary == Axis::kImages) return;
  }
}

// The first and the last, and as many as fit evenly between.
std::vector<double> Columns(const std::set<double>& labels) {
  const std::vector<double> all(labels.begin(), labels.end());
  if (all.size() <= kMostColumns) return all;
  std::vector<double> chosen;
  for (size_t i = 0; i < kMostColumns; ++i) {
    chosen.push_back(all[i * (all.size() - 1) / (kMostColumns - 1)]);
  }
  return chosen;
}

}  // namespace

void PrintCurves(const Results& results, std::ostream& out) {
  std::map<std::string, Curve> curves;
  std::set<double> labels;
  std::vector<double> values;
  for (const std::string& strategy : StrategyNames(results)) {
    const Curve curve = MeanCurve(RunsOf(results, strategy));
    for (const auto& [at, map50] : curve) {
      labels.insert(at);
      values.push_back(map50);
    }
    curves[strategy] = curve;
  }
  const Headline headline = MakeHeadline(results);
  out << "\n" << headline.finding << "\n" << headline.support << "\n";
  if (values.empty()) return;
  const Interval range = *Range(values);
  const std::vector<double> columns = Columns(labels);
  out << absl::StrFormat("\n%-16s", "labels");
  for (const double at : columns) out << absl::StrFormat("%7.0f", at);
  out << "   AULC  boxes   cost  curve\n";
  for (const std::string& strategy : StrategyNames(results)) {
    const Curve& curve = curves[strategy];
    out << absl::StrFormat("%-16.16s", strategy);
    for (const double at : columns) {
      const auto point =
          std::find_if(curve.begin(), curve.end(), [at](const auto& xy) { return xy.first == at; });
      out << Column(point == curve.end() ? Number() : Number(point->second));
    }
    const StrategySummary* summary = FindSummary(results, strategy);
    out << Column(AreaUnderCurve(curve)) << Column(summary ? summary->aulc_boxes : Number())
        << Column(summary ? summary->aulc_cost : Number()) << "  " << Sparkline(curve, range)
        << "\n";
  }
  out << absl::StrFormat("mAP@.5 on the test images, mean over seeds; bars from %.2f to %.2f\n",
                         range.low, range.high);
  PrintComparisons(results, out);
}

}  // namespace mgral::client
