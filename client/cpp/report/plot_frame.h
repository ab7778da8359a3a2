// A rectangle with axes to draw into.
#pragma once

#include <string>
#include <vector>

namespace mgral::client {

// Round numbers that cover [low, high], about `count` of them. `low` < `high`.
std::vector<double> RoundTicks(double low, double high, int count);

// As they are shown, multiplied by `factor`, with a typeset minus sign.
std::vector<std::string> TickTexts(const std::vector<double>& ticks, double factor, int digits);
// As many digits as round ticks need to be told exactly.
int TickDigits(const std::vector<double>& ticks, double factor);

// Maps data to SVG user units. y grows upwards in data, downwards on the page.
struct PlotFrame {
  double left = 0, top = 0, width = 0, height = 0;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;

  double X(double x) const { return left + (x - x_low) / (x_high - x_low) * width; }
  double Y(double y) const { return top + height - (y - y_low) / (y_high - y_low) * height; }

  // Grid lines, tick labels (already text) and axis titles.
  std::string Axes(const std::vector<double>& x_ticks, const std::vector<std::string>& x_labels,
                   const std::vector<double>& y_ticks, const std::vector<std::string>& y_labels,
                   const std::string& x_title, const std::string& y_title) const;
  // Where y = x, and where y = 0.
  std::string IdentityAndZero() const;
  // From x - error to x + error, as far as it is inside.
  std::string ErrorBar(double x, double error, double y) const;
};

// "12.3,45.6"
std::string PlotPoint(double x, double y);

}  // namespace mgral::client
