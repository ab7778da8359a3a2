#include "client/cpp/report/report.h"

#include "absl/strings/str_cat.h"
#include "client/cpp/report/gallery.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/sections.h"
#include "client/cpp/report/style.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

std::string GallerySection(const Results& results, const Dataset* dataset) {
  const std::string gallery = Gallery(results, dataset);
  if (gallery.empty()) return "";
  return absl::StrCat(
      "<section><h2>What each strategy picked</h2><p class='note' style='margin:0 0 14px'>The "
      "batches of seed ",
      results.runs.front().seed,
      ", with their true boxes. The bar counts the objects of a whole batch by class.</p>", gallery,
      "</section>");
}

}  // namespace

std::string RenderReport(Results results, const Dataset* dataset) {
  Summarize(&results);
  return absl::StrCat(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
      "content='width=device-width,initial-scale=1'><title>mgral on ",
      Escape(results.dataset), "</title><style>", kReportStyle, StrategyColors(),
      "</style></head><body><main>", HeaderSection(results), CurveSection(results),
      SummarySection(results), ComparisonSection(results), GainSection(results),
      FidelitySection(results), ClassSection(results), GallerySection(results, dataset),
      CostSection(results), ProtocolSection(results),
      "<footer>Made by mgral simulate from results.json.</footer></main></body></html>\n");
}

}  // namespace mgral::client
