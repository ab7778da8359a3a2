// Text for HTML and SVG. Whatever comes from data goes through Escape.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

// Safe as an element's content and inside a quoted attribute. Control characters become spaces.
std::string Escape(absl::string_view text);

// "0.612"; "–" when missing.
std::string Decimal(const Number& value, int digits = 3);
// "5.4 · 10⁵" for factors from 1 on.
std::string PowerOfTen(double value);
// "0.58 … 0.64"; "–" when missing.
std::string IntervalText(const std::optional<Interval>& interval, int digits = 3);
// A difference of AP in percentage points: "+1.2"; "–" when missing.
std::string Points(const Number& value);
// "0.012", "< 0.001"; "–" when missing.
std::string PValue(const Number& p);
// "84 µs", "1.3 s", "12 min"; "–" when missing.
std::string Duration(const Number& seconds);
// Style rules that define the strategies' colors, light and dark.
std::string StrategyColors();
// The color of a strategy: "var(--s-mgral)". `index` chooses among spare ones for names that this
// release does not know.
std::string StrategyColor(const std::string& strategy, size_t index);
// The same for the class of a box.
std::string ClassColor(size_t class_index);

}  // namespace mgral::client
