#include "client/cpp/report/terminal.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "client/cpp/report/headline.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/statistics.h"

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
  out << "   AULC  curve\n";
  for (const std::string& strategy : StrategyNames(results)) {
    const Curve& curve = curves[strategy];
    out << absl::StrFormat("%-16.16s", strategy);
    for (const double at : columns) {
      const auto point =
          std::find_if(curve.begin(), curve.end(), [at](const auto& xy) { return xy.first == at; });
      out << (point == curve.end() ? absl::StrFormat("%7s", "-")
                                   : absl::StrFormat("%7.3f", point->second));
    }
    const Number area = AreaUnderCurve(curve);
    out << (area ? absl::StrFormat("%7.3f", *area) : absl::StrFormat("%7s", "-")) << "  "
        << Sparkline(curve, range) << "\n";
  }
  out << absl::StrFormat("mAP@.5 on the test images, mean over seeds; bars from %.2f to %.2f\n",
                         range.low, range.high);
}

}  // namespace mgral::client
