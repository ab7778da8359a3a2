#include "client/cpp/prior/prior_file.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace mgral::client {
namespace {

std::string Short(double value) { return absl::StrFormat("%.4g", value); }

std::string Array(const std::vector<double>& values) {
  return absl::StrCat(
      "{",
      absl::StrJoin(values, ", ",
                    [](std::string* out, double value) { absl::StrAppend(out, Short(value)); }),
      "}");
}

std::string Figures(const Calibration& row) {
  std::string out = absl::StrCat("//   ", row.dataset, ": ", row.batches, " batches");
  if (row.slope) absl::StrAppendFormat(&out, ", slope %.2f ± %.2f", *row.slope, *row.slope_error);
  if (row.ratio) absl::StrAppendFormat(&out, ", realized / estimated %.2f", *row.ratio);
  if (row.coverage) absl::StrAppendFormat(&out, ", %.0f %% inside", 100 * *row.coverage);
  return out + "\n";
}

// The words as a comment in lines of at most 100 characters.
std::string Comment(const std::string& text) {
  std::string out, line = "//";
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() + 1 + word.size() > 100) {
      absl::StrAppend(&out, line, "\n");
      line = "//";
    }
    absl::StrAppend(&line, " ", word);
  }
  return absl::StrCat(out, line, "\n");
}

}  // namespace

std::string DescribePools(const std::vector<SimulatedPool>& pools) {
  std::map<std::string, int> count;
  for (const SimulatedPool& pool : pools) ++count[pool.dataset];
  return absl::StrCat(pools.size(), pools.size() == 1 ? " simulated pool (" : " simulated pools (",
                      absl::StrJoin(count, ", ", absl::PairFormatter(" ")), ")");
}

std::string PriorFile(const std::vector<SimulatedPool>& pools, const PriorFit& fit,
                      const std::vector<Calibration>& left_out) {
  const auto [first, last] = std::minmax_element(
      pools.begin(), pools.end(),
      [](const SimulatedPool& a, const SimulatedPool& b) { return a.date < b.date; });
  std::string out = Comment("Included by prior.h, which says what the values are.");
  absl::StrAppend(
      &out, Comment(absl::StrCat("Written by `mgral fit-prior` from ", DescribePools(pools), " of ",
                                 first->date, first->date == last->date ? "" : " to " + last->date,
                                 ", of which ", fit.informed, " had informative probes.")));
  absl::StrAppendFormat(
      &out, "// kappa: %.2g between datasets, %.2g between pools; noise of a test mAP: %.2g.\n",
      fit.kappa_between_datasets, fit.kappa_between_pools, fit.values.test_noise);
  if (!left_out.empty()) {
    absl::StrAppend(&out,
                    Comment("First batches, each dataset's by values fitted to the others; inside "
                            "the 95 % interval:"));
    for (const Calibration& row : left_out) absl::StrAppend(&out, Figures(row));
  }
  const PriorValues& values = fit.values;
  const std::string array = "inline constexpr std::array<double, kNumFeatures> ";
  absl::StrAppend(&out, array, "kWeight = ", Array(values.weight), ";\n");
  absl::StrAppend(&out, array, "kSharedSd = ", Array(values.shared_sd), ";\n");
  const std::pair<const char*, double> numbers[] = {{"kKappa", values.kappa},
                                                    {"kKappaSd", values.kappa_sd},
                                                    {"kRealizedNoise", values.realized_noise},
                                                    {"kResidualShare", values.residual_share}};
  for (const auto& [name, value] : numbers) {
    absl::StrAppend(&out, "inline constexpr double ", name, " = ", Short(value), ";\n");
  }
  return out;
}

}  // namespace mgral::client
