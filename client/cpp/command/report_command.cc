// mgral report

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/dataset_options.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/report/report.h"
#include "client/cpp/report/results.h"
#include "client/cpp/report/summary.h"
#include "client/cpp/report/terminal.h"

namespace mgral::client {
namespace {

struct ReportOptions {
  std::string results, dataset, out, voc_corners = "auto";
};

absl::Status RunReport(const ReportOptions& options, Session& session) {
  absl::StatusOr<Results> results = ReadResults(options.results);
  if (!results.ok()) return UsageError(absl::StrCat("--results: ", results.status().message()));
  Summarize(&*results);
  std::optional<Dataset> dataset;
  if (!options.dataset.empty()) {
    const absl::StatusOr<VocCorners> corners = ParseVocCorners(options.voc_corners);
    if (!corners.ok()) return UsageError(std::string(corners.status().message()));
    ReadOptions read_options;
    read_options.voc_corners = *corners;
    absl::StatusOr<Dataset> read = ReadDataset(options.dataset, "", read_options);
    if (!read.ok()) return UsageError(absl::StrCat("--dataset: ", read.status().message()));
    dataset = *std::move(read);
  }
  const std::string out =
      options.out.empty()
          ? (std::filesystem::path(options.results).parent_path() / "report.html").string()
          : options.out;
  const std::string html = RenderReport(*results, dataset ? &*dataset : nullptr);
  if (absl::Status status = ReplaceFile(out, html); !status.ok()) return status;
  if (session.json) {
    Json document = ResultsToJson(*results);
    for (const char* key : {"dataset", "classes", "protocol", "runs", "lookup"}) {
      document.erase(key);  // as in the file that was read
    }
    document["report"] = out;
    document["bytes"] = html.size();
    session.PrintJson(document);
    return absl::OkStatus();
  }
  PrintCurves(*results, session.out());
  session.out() << "\nreport   " << std::filesystem::absolute(out).string() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddReportCommand(CLI::App& app, Session& session) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand("report", "Render report.html from a results.json");
  command->footer("Example:\n  mgral report --results run/results.json --dataset cells");
  command->add_option("--results", options->results, "A results.json written by mgral simulate")
      ->required();
  command->add_option("--dataset", options->dataset,
                      "The dataset's folder; without it, images are not shown");
  AddVocCornersOption(*command, &options->voc_corners);
  command->add_option("--out", options->out,
                      "Output file (default: report.html beside the results)");
  command->callback([options, &session] { session.Finish(RunReport(*options, session)); });
}

}  // namespace mgral::client
