#include "client/cpp/report/plot_frame.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "client/cpp/report/html.h"

namespace mgral::client {

std::vector<double> RoundTicks(double low, double high, int count) {
  const double raw = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= raw) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step + 0.0);
  return ticks;
}

std::vector<std::string> TickTexts(const std::vector<double>& ticks, double factor, int digits) {
  std::vector<std::string> texts;
  for (double tick : ticks) {
    texts.push_back(
        absl::StrFormat("%s%.*f", tick < -1e-12 ? "−" : "", digits, std::abs(tick) * factor));
  }
  return texts;
}

int TickDigits(const std::vector<double>& ticks, double factor) {
  int digits = 0;
  double step = ticks.size() > 1 ? factor * (ticks[1] - ticks[0]) : 1;
  for (; digits < 6 && std::abs(step - std::round(step)) > 1e-6; ++digits) step *= 10;
  return digits;
}

std::string PlotPoint(double x, double y) { return absl::StrFormat("%.1f,%.1f", x, y); }

std::string PlotFrame::Axes(const std::vector<double>& x_ticks,
                            const std::vector<std::string>& x_labels,
                            const std::vector<double>& y_ticks,
                            const std::vector<std::string>& y_labels, const std::string& x_title,
                            const std::string& y_title) const {
  std::string svg;
  for (size_t i = 0; i < y_ticks.size(); ++i) {
    const double y = Y(y_ticks[i]);
    svg += absl::StrFormat("<line class='grid' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", left,
                           left + width, y, y);
    svg += absl::StrFormat("<text class='tick' text-anchor='end' x='%.1f' y='%.1f'>%s</text>",
                           left - 9, y + 4, Escape(y_labels[i]));
  }
  const double floor = top + height;
  svg += absl::StrFormat("<line class='axis' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", left,
                         left + width, floor, floor);
  for (size_t i = 0; i < x_ticks.size(); ++i) {
    const double x = X(x_ticks[i]);
    svg += absl::StrFormat("<line class='axis' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", x, x,
                           floor, floor + 5);
    svg += absl::StrFormat("<text class='tick' text-anchor='middle' x='%.1f' y='%.1f'>%s</text>", x,
                           floor + 20, Escape(x_labels[i]));
  }
  svg += absl::StrFormat("<text class='title' text-anchor='middle' x='%.1f' y='%.1f'>%s</text>",
                         left + width / 2, floor + 42, Escape(x_title));
  svg += absl::StrFormat(
      "<text class='title' text-anchor='middle' transform='translate(%.1f %.1f) "
      "rotate(-90)'>%s</text>",
      left - 46, top + height / 2, Escape(y_title));
  return svg;
}

std::string PlotFrame::IdentityAndZero() const {
  const double low = std::max(x_low, y_low), high = std::min(x_high, y_high);
  return absl::StrFormat(
      "<line class='identity' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/><line class='zero' "
      "x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>",
      X(low), Y(low), X(high), Y(high), left, left + width, Y(0), Y(0));
}

std::string PlotFrame::ErrorBar(double x, double error, double y) const {
  const double reach = X(x + error) - X(x);
  return absl::StrFormat("<line class='error' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>",
                         std::max(left, X(x) - reach), std::min(left + width, X(x) + reach), Y(y),
                         Y(y));
}

}  // namespace mgral::client
