// Learning curves and the areas under them. Plain functions: deterministic and thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// (x, map50) with x growing. Points without map50, or without the axis's count, are left out.
using Curve = std::vector<std::pair<double, double>>;
Curve CurveOf(const StrategyRun& run, Axis axis = Axis::kImages);

// Trapezoids, divided by the range. Missing with fewer than two points or without a range.
Number AreaUnderCurve(const Curve& curve);

// The same over [low, high] alone, linear between the points. Missing where the curve does not
// cover the range.
Number AreaUnderCurve(const Curve& curve, double low, double high);

// The x at which a curve first reaches `level`, linear between points.
Number FirstReaches(const Curve& curve, double level);

// Over images: the mean of the runs at every count of labels that all of them have. Over boxes and
// cost, where runs have their points at different places: the mean of both coordinates after each
// batch that all of them have.
Curve MeanCurve(const std::vector<const StrategyRun*>& runs, Axis axis = Axis::kImages);

}  // namespace mgral::client
