#include "client/cpp/report/curve.h"

#include <algorithm>
#include <map>

#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

Number PositionOf(const CurvePoint& point, Axis axis) {
  if (axis == Axis::kBoxes) return point.boxes;
  if (axis == Axis::kCost) return point.cost;
  return static_cast<double>(point.labels);
}

Curve MeanAtEveryLabelCount(const std::vector<const StrategyRun*>& runs) {
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

}  // namespace

Curve CurveOf(const StrategyRun& run, Axis axis) {
  Curve curve;
  for (const CurvePoint& point : run.points) {
    const Number x = PositionOf(point, axis);
    if (x && point.map50) curve.emplace_back(*x, *point.map50);
  }
  return curve;
}

Number AreaUnderCurve(const Curve& curve) {
  if (curve.empty()) return std::nullopt;
  return AreaUnderCurve(curve, curve.front().first, curve.back().first);
}

Number AreaUnderCurve(const Curve& curve, double low, double high) {
  if (curve.size() < 2 || !(low < high)) return std::nullopt;
  if (low < curve.front().first || high > curve.back().first) return std::nullopt;
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    const auto& [x0, y0] = curve[i - 1];
    const auto& [x1, y1] = curve[i];
    const double from = std::max(x0, low);
    const double to = std::min(x1, high);
    if (!(from < to)) continue;
    const double slope = (y1 - y0) / (x1 - x0);
    area += (to - from) * (y0 + slope * ((from + to) / 2 - x0));
  }
  return area / (high - low);
}

Number FirstReaches(const Curve& curve, double level) {
  for (size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].second < level) continue;
    if (i == 0) return curve[0].first;
    const auto& [x0, y0] = curve[i - 1];
    const auto& [x1, y1] = curve[i];
    return x0 + (x1 - x0) * (level - y0) / (y1 - y0);
  }
  return std::nullopt;
}

Curve MeanCurve(const std::vector<const StrategyRun*>& runs, Axis axis) {
  if (axis == Axis::kImages) return MeanAtEveryLabelCount(runs);
  std::vector<Curve> curves;
  for (const StrategyRun* run : runs) curves.push_back(CurveOf(*run, axis));
  Curve mean;
  for (size_t k = 0; !curves.empty(); ++k) {
    double x = 0, y = 0;
    for (const Curve& curve : curves) {
      if (k >= curve.size()) return mean;
      x += curve[k].first / static_cast<double>(curves.size());
      y += curve[k].second / static_cast<double>(curves.size());
    }
    mean.emplace_back(x, y);
  }
  return mean;
}

}  // namespace mgral::client
