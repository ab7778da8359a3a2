#include "client/cpp/fidelity/fidelity_report.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/sections.h"
#include "client/cpp/report/style.h"
#include "client/cpp/report/table.h"

namespace mgral::client {
namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string FactList(const Facts& facts) {
  std::string html = "<dl class='facts'>";
  for (const auto& [name, value] : facts) {
    absl::StrAppend(&html, "<div><dt>", Escape(name), "</dt><dd>", Escape(value), "</dd></div>");
  }
  return html + "</dl>";
}

std::string Section(const std::string& title, const std::string& content, const std::string& note) {
  return absl::StrCat("<section><h2>", title, "</h2>", content, "<p class='note'>", note,
                      "</p></section>");
}

std::string RowHead(const std::string& text) {
  return absl::StrCat("<tr><th scope='row'>", Escape(text), "</th>");
}

std::string ScatterSection(const FidelityResults& results, const FidelitySummary& summary) {
  const std::string chart = FidelityChart(results);
  if (chart.empty()) return "";
  return Section(
      "Estimated and real gain", chart,
      absl::StrFormat(
          "Each mark is a batch, larger with more images; on the dashed line, the estimate is "
          "right. Bars are 95\u00a0%% intervals of the estimate. The estimates were recorded "
          "before any detector was trained on a batch. The real gain is the mean over %d training "
          "seed%s, and its noise has a standard deviation of %s points.",
          summary.seeds, summary.seeds == 1 ? "" : "s",
          summary.noise ? Decimal(100 * *summary.noise, 2) : "unknown"));
}

std::string AgreementSection(const FidelitySummary& summary) {
  std::string rows;
  static const char* const kNames[] = {"the table’s estimate", "number of images",
                                       "number of true boxes"};
  for (size_t i = 0; i < summary.predictors.size(); ++i) {
    const Predictor& predictor = summary.predictors[i];
    const bool size = predictor.name == "images";
    absl::StrAppend(&rows, RowHead(kNames[i]), Cell(FigureText(predictor.rank)),
                    Cell(size ? "–" : FigureText(predictor.given_size)),
                    Cell(size ? "–" : FigureText(predictor.within_terciles)), "</tr>");
  }
  const std::string table = rows.empty()
                                ? ""
                                : Table({"known beforehand", "with the real gain",
                                         "given the number of images", "within thirds by size"},
                                        rows);
  return Section(
      "Rank correlations",
      absl::StrCat(table, "<h3>What the measurement allows</h3>",
                   FactList({{"σ of the real gain over batches", InPoints(summary.sigma_gain)},
                             {"σ of the measurement’s noise", InPoints(summary.noise)},
                             {"σ of what can be predicted", InPoints(summary.sigma_true)},
                             {"test–retest correlation r", FigureText(summary.test_retest)},
                             {"ceiling, √(kr / (1 + (k − 1) r))", FigureText(summary.ceiling)},
                             {"the estimate’s, divided by the ceiling",
                              FigureText(summary.disattenuated)}})),
      absl::StrCat(
          "Spearman’s, with 95\u00a0% bootstrap intervals over batches and test halves (for r, "
          "ceiling, and quotient: over batches alone). Larger batches gain more, so what counts is "
          "the correlation among batches of similar size. r: ",
          DescribeTestRetest(summary),
          ". With k seeds, a perfect predictor reaches the ceiling; a quotient above 1 shows that "
          "the ceiling is uncertain."));
}

std::string ChoiceSection(const FidelitySummary& summary) {
  if (!summary.choice) return "";
  std::string rows;
  static const char* const kSizes[] = {"smallest third", "middle third", "largest third"};
  const auto add = [&](const char* name, const Choice& choice) {
    absl::StrAppend(&rows, RowHead(name), Cell(Points(choice.chosen)), Cell(Points(choice.mean)),
                    Cell(Points(choice.best)), Cell(Points(choice.chosen - choice.mean)),
                    Cell(Points(choice.best - choice.chosen)), "</tr>");
  };
  for (size_t i = 0; i < summary.choices.size(); ++i) add(kSizes[i], summary.choices[i]);
  add("mean of the thirds", *summary.choice);
  add("all", *summary.choice_of_all);
  return Section(
      "What choosing by the table gains",
      Table({"batches", "the table’s best", "mean", "best", "over the mean", "regret"}, rows),
      "Real gains in points. The best batch is partly the luckiest one: even a perfect table would "
      "have some regret.");
}

std::string CalibrationSection(const FidelitySummary& summary) {
  if (!summary.slope_through_origin.value) return "";
  const Figure& intercept = summary.intercept;
  const std::string points =
      !intercept.value ? "not measurable"
      : intercept.ci95 ? absl::StrCat(Points(intercept.value), " (", Points(intercept.ci95->low),
                                      " … ", Points(intercept.ci95->high), ") points")
                       : absl::StrCat(Points(intercept.value), " points");
  return Section(
      "Calibration",
      FactList({{"slope, through the origin", FigureText(summary.slope_through_origin)},
                {"slope, with intercept", FigureText(summary.slope)},
                {"intercept", points},
                {"real gains in the 95 % intervals", InPercent(summary.coverage)},
                {"the same, with the truth’s noise", InPercent(summary.coverage_with_noise)}}),
      "Least squares of the real gain on the estimated one; a slope of 1 is right. In the last "
      "row, the noise of all trainings and of the choice of test images is added to the standard "
      "errors.");
}

std::string OtherSection(const FidelitySummary& summary) {
  if (!summary.other) return "";
  const OtherProfile& other = *summary.other;
  const auto points = [](const Number& value) {
    return value ? absl::StrCat(Points(value), " points") : "not measurable";
  };
  return Section(absl::StrCat("With the profile ", Escape(other.profile)),
                 FactList({{"batches", absl::StrCat(other.batches)},
                           {"training seeds", absl::StrCat(other.seeds)},
                           {"mean real gain", points(other.mean_gain)},
                           {"σ over batches", points(other.sigma_gain)},
                           {"rank correlation of the two gains", FigureText(other.rank)}}),
                 "The real gain of the same batches with another detector.");
}

std::string ClassesSection(const FidelitySummary& summary) {
  std::string rows;
  for (const ClassFigures& figures : summary.classes) {
    absl::StrAppend(&rows, RowHead(figures.name),
                    Cell(figures.sigma_gain ? Decimal(100 * *figures.sigma_gain, 2) : "–"),
                    Cell(Decimal(figures.rank, 2)), "</tr>");
  }
  return Section("Classes",
                 Table({"class", "σ of the real gain, points", "rank correlation"}, rows),
                 "The rank correlation is that of a class’s estimated gain with its real one.");
}

}  // namespace

std::string FigureText(const Figure& figure, int digits) {
  if (!figure.value) return "not measurable";
  const std::string value = Decimal(figure.value, digits);
  return figure.ci95 ? absl::StrCat(value, " (", IntervalText(figure.ci95, digits), ")") : value;
}

std::string InPoints(const Number& value) {
  return value ? absl::StrCat(Decimal(100 * *value, 2), " points") : "not measurable";
}

std::string InPercent(const Number& share) {
  return share ? absl::StrFormat("%.0f %%", 100 * *share) : "not measurable";
}

Finding FindingOf(const FidelityResults& results, const FidelitySummary& summary) {
  if (summary.predictors.empty()) {
    return {absl::StrCat(summary.batches, " of ", results.batches.size(), " batches measured"),
            absl::StrCat("With fewer than ", kFewestBatches, ", a correlation says nothing.")};
  }
  const Figure& rank = summary.predictors[0].rank;
  const Figure& given_size = summary.predictors[0].given_size;
  const std::string value = absl::StrCat(": rank correlation ", Decimal(rank.value, 2));
  Finding finding;
  if (rank.ci95 && rank.ci95->low > 0) {
    const bool beyond = given_size.ci95 && given_size.ci95->low > 0;
    finding.finding = absl::StrCat("The table’s estimate follows the real gain", value,
                                   beyond ? "" : "; beyond the batches’ size, it may not");
  } else if (rank.ci95 && rank.ci95->high < 0) {
    finding.finding = absl::StrCat("The table’s estimate contradicts the real gain", value);
  } else {
    finding.finding =
        absl::StrCat("Whether the table’s estimate follows the real gain is not settled", value);
  }
  finding.support = absl::StrFormat(
      "95 %% interval %s, over %d batches and %d training seed%s; given the number of images %s. "
      "The number of images alone: %s. With this noise, a perfect table would reach %s. Real gains "
      "differ between batches by σ = %s points.",
      IntervalText(rank.ci95, 2), summary.batches, summary.seeds, summary.seeds == 1 ? "" : "s",
      FigureText(given_size), FigureText(summary.predictors[1].rank), FigureText(summary.ceiling),
      summary.sigma_gain ? Decimal(100 * *summary.sigma_gain, 2) : "unknown");
  if (summary.batches < kPublishedBatches) {
    absl::StrAppend(&finding.support, " With fewer than ", kPublishedBatches,
                    " batches, this is no figure to publish.");
  }
  return finding;
}

std::string RenderFidelity(const FidelityResults& results, const FidelitySummary& summary) {
  const Finding finding = FindingOf(results, summary);
  return absl::StrCat(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
      "content='width=device-width,initial-scale=1'><title>mgral fidelity on ",
      Escape(results.dataset), "</title><style>", kReportStyle,
      "</style></head><body><main><header class='top'><p class='eyebrow'><b>mgral</b> fidelity on "
      "<b>",
      Escape(results.dataset), "</b></p><h1>", Escape(finding.finding), "</h1><p class='lead'>",
      Escape(finding.support), "</p></header>", ScatterSection(results, summary),
      AgreementSection(summary), ChoiceSection(summary), CalibrationSection(summary),
      OtherSection(summary), ClassesSection(summary), "<section><h2>How it was measured</h2>",
      ProtocolList(results.protocol), "<h3>The table</h3>", ProtocolList(results.table),
      "</section><footer>Made by mgral fidelity.</footer></main></body></html>\n");
}

}  // namespace mgral::client
