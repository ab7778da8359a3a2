#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/fidelity/trial_batches.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/plot_frame.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

constexpr double kLeastSpread = 0.01;  // of an axis: a point
constexpr double kSmallestMark = 3.2, kLargestMark = 8;

size_t KindIndex(const std::string& name) {
  size_t index = 0;
  while (index + 1 < std::size(kBatchKinds) && name != NameOf(kBatchKinds[index])) ++index;
  return index;
}

// The server's own choices are diamonds, all else are circles.
std::string Mark(bool diamond, double x, double y, double radius, const std::string& title) {
  if (!diamond) {
    return absl::StrFormat("<circle class='dot' cx='%.1f' cy='%.1f' r='%.1f'>%s</circle>", x, y,
                           radius, title);
  }
  const double reach = 1.25 * radius;
  return absl::StrFormat("<polygon class='dot' points='%s %s %s %s'>%s</polygon>",
                         PlotPoint(x, y - reach), PlotPoint(x + reach, y), PlotPoint(x, y + reach),
                         PlotPoint(x - reach, y), title);
}

std::string MarkOf(const PlotFrame& frame, const TrialBatch& batch, double real, double radius) {
  const double x = frame.X(batch.estimate.mean);
  const std::string what =
      batch.of.empty() ? batch.kind : absl::StrCat(batch.kind, " (", batch.of, ")");
  const std::string title =
      absl::StrFormat("<title>%s, %d images, %d boxes: estimated %s ± %s, real %s points</title>",
                      Escape(what), batch.images.size(), batch.boxes, Points(batch.estimate.mean),
                      Decimal(100 * batch.estimate.standard_error, 1), Points(real));
  const size_t kind = KindIndex(batch.kind);
  return absl::StrFormat(
      "<g style='--c:%s'>%s%s</g>", ClassColor(kind),
      frame.ErrorBar(batch.estimate.mean, kNormal95 * batch.estimate.standard_error, real),
      Mark(kBatchKinds[kind] == BatchKind::kSelected, x, frame.Y(real), radius, title));
}

std::string KindLegend() {
  std::string html = "<ul class='legend'>";
  for (size_t kind = 0; kind < std::size(kBatchKinds); ++kind) {
    const bool selected = kBatchKinds[kind] == BatchKind::kSelected;
    absl::StrAppend(&html, "<li style='--c:", ClassColor(kind),
                    "'><svg class='chart' style='width:", "16px' viewBox='0 0 16 16'>",
                    Mark(selected, 8, 8, 5.5, ""), "</svg>",
                    selected ? "selected by the server" : NameOf(kBatchKinds[kind]), "</li>");
  }
  return html + "</ul>";
}

struct Limits {
  double low = 0, high = 0;

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::vector<double> Ticks(int count) {
    if (high - low < kLeastSpread) high = low + kLeastSpread;
    return RoundTicks(low, high, count);
  }
};

}  // namespace

std::string FidelityChart(const FidelityResults& results) {
  const MeasuredTruth truth = TruthOf(results);
  const TruthSample& sample = truth.sample;
  if (truth.batches.empty()) return "";
  Limits x, y;
  double largest = 1;
  for (size_t i = 0; i < sample.size(); ++i) {
    // Whole intervals may be much wider than what there is to see.
    x.Include(sample.estimate[i] - sample.standard_error[i]);
    x.Include(sample.estimate[i] + sample.standard_error[i]);
    y.Include(sample.real[i]);
    largest = std::max(largest, sample.images[i]);
  }
  const std::vector<double> x_ticks = x.Ticks(7), y_ticks = y.Ticks(6);
  const PlotFrame frame{64, 14, 800, 396, x_ticks[0], x_ticks.back(), y_ticks[0], y_ticks.back()};
  std::string svg = absl::StrCat(
      "<svg class='chart' viewBox='0 0 880 466' role='img' aria-label='Estimated against real gain "
      "of each batch'>",
      frame.Axes(x_ticks, TickTexts(x_ticks, 100, TickDigits(x_ticks, 100)), y_ticks,
                 TickTexts(y_ticks, 100, TickDigits(y_ticks, 100)), "estimated gain, mAP points",
                 "real gain on the test images, mAP points"),
      frame.IdentityAndZero());
  for (size_t i = 0; i < sample.size(); ++i) {
    const double share = std::sqrt(sample.images[i] / largest);
    svg += MarkOf(frame, results.batches[static_cast<size_t>(truth.batches[i])], sample.real[i],
                  kSmallestMark + share * (kLargestMark - kSmallestMark));
  }
  return absl::StrCat(KindLegend(), "<div class='scroll'><div class='wide'>", svg,
                      "</svg></div></div>");
}

}  // namespace mgral::client
