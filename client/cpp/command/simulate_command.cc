// mgral simulate
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/replay_options.h"
#include "client/cpp/report/terminal.h"
#include "client/cpp/simulate/simulate.h"

namespace mgral::client {
namespace {

struct CommandLine {
  SimulateOptions options;
  ReplayLine replay;
  std::vector<std::string> strategies = {"mgral", "random"};
};

absl::Status RunSimulate(CommandLine line, Session& session) {
  SimulateOptions& options = line.options;
  const absl::Status taken = TakeReplayLine(line.replay, &options);
  if (!taken.ok()) return taken;
  options.strategies.clear();
  const absl::Status known =
      ParseStrategies(line.strategies, &options.strategies, &options.variants);
  if (!known.ok()) return UsageError(std::string(known.message()));
  const absl::Status checked = CheckOptions(options);
  if (!checked.ok()) return UsageError(std::string(checked.message()));
  const absl::StatusOr<Dataset> dataset = ReadReplayedDataset(line.replay, options, session);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  const std::filesystem::path out = std::filesystem::absolute(options.out);
  const std::unique_ptr<ProgressBar> bar = session.Progress("simulating", 0, "cycles");
  absl::StatusOr<Results> results = Simulate(**client, *dataset, options, *bar);
  bar->Finish();
  if (!results.ok()) {
    const std::string message(results.status().message());
    if (absl::StartsWith(message, "--resume")) return UsageError(message);
    session.Note("Measured so far, if anything: " + (out / "results.json").string() +
                 "; --resume goes on from there");
    return results.status();
  }
  if (session.json) {
    session.PrintJson(ResultsToJson(*results));
    return absl::OkStatus();
  }
  PrintCurves(*results, session.out());
  session.out() << "\nreport   " << (out / "report.html").string() << "\nresults  "
                << (out / "results.json").string() << "\n";
  return absl::OkStatus();
}

void AddProtocolOptions(CLI::App& command, CommandLine& line) {
  SimulateOptions& options = line.options;
  command
      .add_option(
          "--strategies", line.strategies,
          "Strategies, separated by commas; random is the baseline. A variant is "
          "LABEL=STRATEGY:SETTING=VALUE, where SETTING is replay_probes or uniform_share: "
          "few=mgral:replay_probes=8. The controls true_counts and best_of see the true labels")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--batch", options.batch, "Images per batch")->capture_default_str();
  command
      .add_option("--cycles", options.cycles,
                  "Number of batches to select and label; 0: only the initial images")
      ->capture_default_str();
  command
      .add_option("--seeds", line.replay.seeds, "Number of seeds (1 to N), or a list such as 3,5,8")
      ->capture_default_str();
  command.add_option("--probes", options.probes, "Has no effect: cycles make replay probes only");
  command.add_flag("--warm-start", options.warm_start,
                   "Start each training from the previous cycle's weights");
}

}  // namespace

void AddSimulateCommand(CLI::App& app, Session& session) {
  auto line = std::make_shared<CommandLine>();
  SimulateOptions& options = line->options;
  CLI::App* command = app.add_subcommand(
      "simulate", "Replay a labeled dataset through the service and plot learning curves");
  command->footer(
      "Example:\n  mgral simulate --dataset cells --strategies mgral,random --initial 40 "
      "--batch 20 --cycles 4 --seeds 3 --out run\n\n"
      "The folder holds COCO annotations.json and images/, or a VOC layout; optionally "
      "splits.json.");
  AddReplayOptions(*command, options, line->replay);
  AddProtocolOptions(*command, *line);
  command->add_option("--out", options.out, "Folder for results.json and report.html")->required();
  command->add_flag("--resume", options.resume,
                    "Keep the finished runs in --out and play what is missing: after an "
                    "interruption, or with more strategies or seeds");
  command->callback([line, &session] { session.Finish(RunSimulate(*line, session)); });
}

}  // namespace mgral::client
