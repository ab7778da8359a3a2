#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/report/html.h"

namespace mgral::client {
namespace {

void Line(std::ostream& out, const std::string& name, const std::string& value) {
  out << absl::StrFormat("  %-38s %s\n", name, value);
}

void PrintPredictors(const FidelitySummary& summary, std::ostream& out) {
  out << "\nRank correlations with the real gain (95 % interval):\n";
  for (const Predictor& predictor : summary.predictors) {
    Line(out, predictor.name, FigureText(predictor.rank));
    if (predictor.name == "images") continue;
    Line(out, "  given the number of images", FigureText(predictor.given_size));
    Line(out, "  within thirds by size", FigureText(predictor.within_terciles));
  }
}

void PrintChoice(const Choice& choice, std::ostream& out) {
  out << "\nReal gain among batches of similar size:\n";
  Line(out, "the table's best", Points(choice.chosen));
  Line(out, "mean", Points(choice.mean));
  Line(out, "best", Points(choice.best));
}

}  // namespace

void PrintFidelity(const FidelityResults& results, const FidelitySummary& summary,
                   std::ostream& out) {
  const Finding finding = FindingOf(results, summary);
  out << "\n" << finding.finding << "\n" << finding.support << "\n\nTruth:\n";
  Line(out, "batches, seeds", absl::StrCat(summary.batches, ", ", summary.seeds));
  Line(out, "mean real gain", InPoints(summary.mean_gain));
  Line(out, "standard deviation over batches", InPoints(summary.sigma_gain));
  Line(out, "of the measurement's noise", InPoints(summary.noise));
  Line(out, "test-retest correlation r", FigureText(summary.test_retest));
  Line(out, "ceiling", FigureText(summary.ceiling));
  if (summary.other) {
    Line(out, absl::StrCat("gain with ", summary.other->profile),
         absl::StrCat(FigureText(summary.other->rank), " over ", summary.other->batches,
                      " batches"));
  }
  if (summary.predictors.empty()) return;
  PrintPredictors(summary, out);
  Line(out, "estimate, divided by the ceiling", FigureText(summary.disattenuated));
  if (summary.choice) PrintChoice(*summary.choice, out);
  out << "\nCalibration, real on estimated gain:\n";
  Line(out, "slope through the origin", FigureText(summary.slope_through_origin));
  Line(out, "slope with intercept", FigureText(summary.slope));
  Line(out, "in the 95 % intervals", InPercent(summary.coverage));
  Line(out, "with the truth's noise", InPercent(summary.coverage_with_noise));
}

}  // namespace mgral::client
