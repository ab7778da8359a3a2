#include "client/cpp/report/charts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/curve.h"
#include "client/cpp/report/headline.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/plot_frame.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

constexpr double kLabelHeight = 18;
constexpr size_t kMostXTicks = 10;

struct Series {
  std::string strategy;
  std::string color;
  Curve mean;
  std::vector<Curve> seeds;
  std::map<double, Interval> band;  // by the mean curve's x
};

// What the seeds have at a point of their mean curve.
std::vector<double> ValuesAt(const std::vector<Curve>& seeds, Axis axis, size_t k, double x) {
  std::vector<double> values;
  for (const Curve& curve : seeds) {
    if (axis != Axis::kImages) {
      values.push_back(curve[k].second);
      continue;
    }
    const auto at = std::find_if(curve.begin(), curve.end(),
                                 [x](const auto& point) { return point.first == x; });
    values.push_back(at->second);
  }
  return values;
}

std::vector<Series> MakeSeries(const Results& results, Axis axis) {
  std::vector<Series> all;
  for (const std::string& strategy : StrategyNames(results)) {
    Series series;
    series.strategy = strategy;
    series.color = StrategyColor(strategy, all.size());
    const std::vector<const StrategyRun*> runs = RunsOf(results, strategy);
    series.mean = MeanCurve(runs, axis);
    for (const StrategyRun* run : runs) series.seeds.push_back(CurveOf(*run, axis));
    for (size_t k = 0; k < series.mean.size() && runs.size() > 1; ++k) {
      const double x = series.mean[k].first;
      const std::vector<double> at = ValuesAt(series.seeds, axis, k, x);
      series.band[x] = at.size() == 2 ? *Range(at) : *MeanInterval(at);
    }
    if (!series.mean.empty()) all.push_back(std::move(series));
  }
  return all;
}

std::string Line(const PlotFrame& frame, const Curve& curve) {
  std::string points;
  for (const auto& [x, y] : curve) points += PlotPoint(frame.X(x), frame.Y(y)) + " ";
  return points;
}

std::string Band(const PlotFrame& frame, const Series& series) {
  if (series.band.size() < 2) return "";
  std::string points;
  for (const auto& [x, interval] : series.band) {
    points += PlotPoint(frame.X(x), frame.Y(interval.high)) + " ";
  }
  for (auto it = series.band.rbegin(); it != series.band.rend(); ++it) {
    points += PlotPoint(frame.X(it->first), frame.Y(it->second.low)) + " ";
  }
  return absl::StrFormat("<polygon class='band' points='%s'/>", points);
}

std::string DrawSeries(const PlotFrame& frame, const Series& series, Axis axis) {
  static const char* const kUnits[] = {"labels", "boxes", "s"};
  std::string svg = absl::StrFormat("<g style='--c:%s'%s>", series.color,
                                    series.strategy == "random" ? " class='baseline'" : "");
  if (series.seeds.size() > 1) {
    for (const Curve& seed : series.seeds) {
      svg += absl::StrFormat("<polyline class='seed' points='%s'/>", Line(frame, seed));
    }
  }
  svg += absl::StrFormat("<polyline class='mean' points='%s'/>", Line(frame, series.mean));
  for (const auto& [x, y] : series.mean) {
    svg += absl::StrFormat(
        "<circle class='dot' cx='%.1f' cy='%.1f' r='3.6'><title>%s: %.0f %s, mAP@.5 "
        "%.3f</title></circle>",
        frame.X(x), frame.Y(y), Escape(series.strategy), x, kUnits[static_cast<size_t>(axis)], y);
  }
  return svg + "</g>";
}

// Names at the lines' ends, moved apart where they would overlap.
std::string EndLabels(const PlotFrame& frame, const std::vector<Series>& all) {
  struct Label {
    const Series* series;
    double wanted;
    double y;
  };
  std::vector<Label> labels;
  for (const Series& series : all) {
    const double y = frame.Y(series.mean.back().second);
    labels.push_back({&series, y, y});
  }
  std::sort(labels.begin(), labels.end(),
            [](const Label& a, const Label& b) { return a.wanted < b.wanted; });
  for (size_t i = 1; i < labels.size(); ++i) {
    labels[i].y = std::max(labels[i].y, labels[i - 1].y + kLabelHeight);
  }
  const double lowest = frame.top + frame.height;
  for (size_t i = labels.size(); i-- > 0;) {
    const double limit = i + 1 == labels.size() ? lowest : labels[i + 1].y - kLabelHeight;
    labels[i].y = std::min(labels[i].y, limit);
  }
  std::string svg;
  const double right = frame.left + frame.width;
  for (const Label& label : labels) {
    const double end = frame.X(label.series->mean.back().first);
    std::string name = label.series->strategy;
    if (name.size() > 16) name = name.substr(0, 15) + "…";
    svg += absl::StrFormat(
        "<g style='--c:%s'><polyline class='leader' points='%s %s %s'/>"
        "<text class='end' x='%.1f' y='%.1f'>%s <tspan class='endvalue'>%.3f</tspan></text></g>",
        label.series->color, PlotPoint(end + 6, label.wanted), PlotPoint(right + 10, label.wanted),
        PlotPoint(right + 18, label.y), right + 22, label.y + 4.5, Escape(name),
        label.series->mean.back().second);
  }
  return svg;
}

// Where the curves have their points, if that is readable.
std::vector<double> XTicks(const std::vector<Series>& all, Axis axis) {
  std::set<double> at;
  for (const Series& series : all) {
    for (const auto& [x, map50] : series.mean) at.insert(x);
  }
  std::vector<double> ticks(at.begin(), at.end());
  if (ticks.size() < 2 || (axis == Axis::kImages && ticks.size() <= kMostXTicks)) return ticks;
  std::vector<double> round = RoundTicks(ticks.front(), ticks.back(), 8);
  round.erase(std::remove_if(round.begin(), round.end(),
                             [&](double x) { return x < ticks.front() || x > ticks.back(); }),
              round.end());
  return round;
}

void SpreadOut(double* low, double* high, double least) {
  if (*high - *low >= least) return;
  const double middle = (*low + *high) / 2;
  *low = middle - least / 2;
  *high = middle + least / 2;
}

void FindLimits(const std::vector<Series>& all, double* x_low, double* x_high, double* y_low,
                double* y_high) {
  for (const Series& series : all) {
    for (const Curve& curve : series.seeds) {
      for (const auto& [x, y] : curve) {
        *x_low = std::min(*x_low, x);
        *x_high = std::max(*x_high, x);
        *y_low = std::min(*y_low, y);
        *y_high = std::max(*y_high, y);
      }
    }
    for (const auto& [labels, interval] : series.band) {
      *y_low = std::min(*y_low, std::max(0.0, interval.low));
      *y_high = std::max(*y_high, std::min(1.0, interval.high));
    }
  }
}

std::string GainMarks(const PlotFrame& frame, const GainPair& pair, size_t index) {
  const double x = frame.X(pair.estimated);
  std::string svg = absl::StrFormat("<g style='--c:%s'>", StrategyColor(pair.strategy, index));
  svg += frame.ErrorBar(pair.estimated, pair.standard_error, pair.realized);
  if (pair.test) {
    svg += absl::StrFormat("<circle class='hollow' cx='%.1f' cy='%.1f' r='4'/>", x,
                           frame.Y(*pair.test));
  }
  svg += absl::StrFormat(
      "<circle class='dot' cx='%.1f' cy='%.1f' r='5'><title>%s: estimated %s ± %s, realized %s "
      "points</title></circle></g>",
      x, frame.Y(pair.realized), Escape(pair.strategy), Points(pair.estimated),
      Decimal(100 * pair.standard_error, 1), Points(pair.realized));
  return svg;
}

}  // namespace

std::string AxisTitle(const Results& results, Axis axis) {
  if (axis == Axis::kImages) return "labeled images";
  if (axis == Axis::kBoxes) return "boxes in the labeled images";
  const auto rate = [&](const char* key) {
    const auto value = results.protocol.find(key);
    return value != results.protocol.end() && value->is_number()
               ? absl::StrCat(value->get<double>())
               : std::string("?");
  };
  return absl::StrCat("labeling cost, s (", rate("seconds_per_image"), " an image + ",
                      rate("seconds_per_box"), " a box)");
}

std::string LearningCurveChart(const Results& results, Axis axis) {
  const std::vector<Series> all = MakeSeries(results, axis);
  const std::string focus = FocusStrategy(results);
  if (all.empty()) return "";
  double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
  FindLimits(all, &x_low, &x_high, &y_low, &y_high);
  SpreadOut(&x_low, &x_high, 1);
  SpreadOut(&y_low, &y_high, 0.05);
  const std::vector<double> y_ticks = RoundTicks(std::max(0.0, y_low), std::min(1.0, y_high), 6);
  const std::vector<double> x_ticks = XTicks(all, axis);
  const double pad = 0.02 * (x_high - x_low);
  PlotFrame frame{64, 14, 622, 366, x_low - pad, x_high + pad, y_ticks.front(), y_ticks.back()};
  const std::string title = AxisTitle(results, axis);
  std::string svg = absl::StrFormat(
      "<svg class='chart' viewBox='0 0 880 436' role='img' aria-label='Learning curves: test mAP "
      "over %s'><clipPath id='curves-%s'><rect x='58' y='8' width='634' height='378'/></clipPath>",
      Escape(title), NameOf(axis));
  const int digits = y_ticks.size() > 1 && y_ticks[1] - y_ticks[0] < 0.0099 ? 3 : 2;
  svg += frame.Axes(x_ticks, TickTexts(x_ticks, 1, 0), y_ticks, TickTexts(y_ticks, 1, digits),
                    title, "mAP@.5 on the test images");
  absl::StrAppend(&svg, "<g clip-path='url(#curves-", NameOf(axis), ")'>");
  for (const Series& series : all) {
    // Two bands can be told apart; six cannot, so the others are only hinted at.
    const bool main = series.strategy == focus || series.strategy == "random" || all.size() < 3;
    svg += absl::StrFormat("<g style='--c:%s'%s>%s</g>", series.color, main ? " class='main'" : "",
                           Band(frame, series));
  }
  // The first strategy is the one that is looked for: drawn last, on top.
  for (auto it = all.rbegin(); it != all.rend(); ++it) svg += DrawSeries(frame, *it, axis);
  return absl::StrCat(svg, "</g>", EndLabels(frame, all), "</svg>");
}

std::vector<GainPair> GainPairs(const Results& results) {
  std::vector<GainPair> pairs;
  for (const StrategyRun& run : results.runs) {
    for (const CurvePoint& point : run.points) {
      if (!point.estimated_gain || !point.realized_gain) continue;
      pairs.push_back({run.strategy, *point.estimated_gain, point.estimated_gain_se.value_or(0),
                       *point.realized_gain, point.test_gain});
    }
  }
  return pairs;
}

std::string GainChart(const Results& results) {
  const std::vector<GainPair> pairs = GainPairs(results);
  if (pairs.empty()) return "";
  double low = 0, high = 0;
  for (const GainPair& pair : pairs) {
    for (const double value : {pair.estimated, pair.realized, pair.test.value_or(0)}) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  SpreadOut(&low, &high, 0.01);
  const std::vector<double> ticks = RoundTicks(low, high, 5);
  PlotFrame frame{64, 14, 400, 366, ticks.front(), ticks.back(), ticks.front(), ticks.back()};
  const int digits = ticks.size() > 1 && 100 * (ticks[1] - ticks[0]) < 0.99 ? 1 : 0;
  std::string svg =
      "<svg class='chart square' viewBox='0 0 480 436' role='img' aria-label='Estimated against "
      "realized gain of each batch'>";
  svg += frame.Axes(ticks, TickTexts(ticks, 100, digits), ticks, TickTexts(ticks, 100, digits),
                    "estimated gain, mAP points", "realized gain, mAP points");
  svg += frame.IdentityAndZero();
  const std::vector<std::string> names = StrategyNames(results);
  for (const GainPair& pair : pairs) {
    const auto at = std::find(names.begin(), names.end(), pair.strategy) - names.begin();
    svg += GainMarks(frame, pair, static_cast<size_t>(at));
  }
  return svg + "</svg>";
}

}  // namespace mgral::client
