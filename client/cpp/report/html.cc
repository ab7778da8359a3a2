#include "client/cpp/report/html.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

constexpr char kMissing[] = "–";
constexpr int kSpareColors = 8;
constexpr int kClassColors = 12;

}  // namespace

std::string Escape(absl::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return safe;
}

std::string Decimal(const Number& value, int digits) {
  if (!value || !std::isfinite(*value)) return kMissing;
  const std::string text = absl::StrFormat("%.*f", digits, std::abs(*value));
  return *value < 0 && text.find_first_not_of("0.") != std::string::npos ? "−" + text : text;
}

std::string PowerOfTen(double value) {
  static const char* const kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  if (!(value >= 1) || !std::isfinite(value)) return kMissing;
  if (value < 1000) return absl::StrFormat("%.0f", value);
  const int exponent = static_cast<int>(std::floor(std::log10(value)));
  std::string text = absl::StrFormat("%.1f · 10", value / std::pow(10, exponent));
  for (const char digit : std::to_string(exponent)) text += kDigits[digit - '0'];
  return text;
}

std::string IntervalText(const std::optional<Interval>& interval, int digits) {
  if (!interval) return kMissing;
  return absl::StrCat(Decimal(interval->low, digits), " … ", Decimal(interval->high, digits));
}

std::string Points(const Number& value) {
  if (!value || !std::isfinite(*value)) return kMissing;
  const double points = 100 * *value;
  const int digits = std::abs(points) < 0.095 && points != 0 ? 2 : 1;
  return absl::StrFormat("%s%.*f", points < 0 ? "−" : "+", digits, std::abs(points));
}

std::string PValue(const Number& p) {
  if (!p || !std::isfinite(*p)) return kMissing;
  return *p < 0.001 ? "< 0.001" : absl::StrFormat("%.3f", *p);
}

std::string Duration(const Number& seconds) {
  if (!seconds || !std::isfinite(*seconds)) return kMissing;
  const double s = *seconds;
  if (s < 1e-6) return absl::StrFormat("%.0f ns", s * 1e9);
  if (s < 1e-3) return absl::StrFormat("%.3g µs", s * 1e6);
  if (s < 1) return absl::StrFormat("%.3g ms", s * 1e3);
  if (s < 10) return absl::StrFormat("%.1f s", s);
  if (s < 120) return absl::StrFormat("%.0f s", s);
  if (s < 7200) return absl::StrFormat("%.1f min", s / 60);
  return absl::StrFormat("%.1f h", s / 3600);
}

std::string StrategyColors() {
  std::string light, dark;
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    absl::StrAppend(&light, "--s-", info.name, ":", info.color, ";");
    absl::StrAppend(&dark, "--s-", info.name, ":", info.dark_color, ";");
  }
  return absl::StrCat(":root{", light, "}\n@media(prefers-color-scheme:dark){:root{", dark, "}}\n");
}

std::string StrategyColor(const std::string& strategy, size_t index) {
  if (domain::StrategyNamed(strategy)) return absl::StrCat("var(--s-", strategy, ")");
  return absl::StrCat("var(--s-spare", index % kSpareColors, ")");
}

std::string ClassColor(size_t class_index) {
  return absl::StrCat("var(--k", class_index % kClassColors, ")");
}

}  // namespace mgral::client
