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
#include "client/cpp/command/dataset_options.h"
#include "client/cpp/report/terminal.h"
#include "client/cpp/simulate/simulate.h"

namespace mgral::client {
namespace {

struct CommandLine {
  SimulateOptions options;
  std::vector<std::string> strategies = {"mgral", "random"};
  std::string seeds = "1";
  double val_fraction = 0;
  std::string server_path;
  std::string voc_corners = "auto";
};

absl::Status RunSimulate(CommandLine line, bool has_fraction, bool has_server_path,
                         Session& session) {
  SimulateOptions& options = line.options;
  absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(line.seeds);
  if (!seeds.ok()) return UsageError(std::string(seeds.status().message()));
  options.seeds = *seeds;
  options.strategies.clear();
  const absl::Status known =
      ParseStrategies(line.strategies, &options.strategies, &options.variants);
  if (!known.ok()) return UsageError(std::string(known.message()));
  if (has_fraction) options.val_fraction = line.val_fraction;
  if (has_server_path) options.server_path = line.server_path;
  const absl::Status checked = CheckOptions(options);
  if (!checked.ok()) return UsageError(std::string(checked.message()));
  const absl::StatusOr<VocCorners> corners = ParseVocCorners(line.voc_corners);
  if (!corners.ok()) return UsageError(std::string(corners.status().message()));
  ReadOptions read;
  read.voc_corners = *corners;
  absl::StatusOr<Dataset> dataset = ReadDataset(options.dataset, options.splits, read);
  if (!dataset.ok()) {
    return UsageError(absl::StrCat("--dataset: ", dataset.status().message()));
  }
  ReportReading(*dataset, session);
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

// What is simulated, and what labeling costs.
void AddProtocolOptions(CLI::App& command, CommandLine& line) {
  SimulateOptions& options = line.options;
  command.add_option("--dataset", options.dataset, "Folder of the labeled dataset")->required();
  command.add_option("--splits", options.splits,
                     "JSON file with lists of file names: train or pool, val, test");
  AddVocCornersOption(command, &line.voc_corners);
  command
      .add_option(
          "--strategies", line.strategies,
          "Strategies, separated by commas; random is the baseline. A variant is "
          "LABEL=STRATEGY:SETTING=VALUE, where SETTING is replay_probes or uniform_share: "
          "few=mgral:replay_probes=8. The controls true_counts and best_of see the true labels")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--initial", options.initial, "Labeled images before the first cycle")
      ->capture_default_str();
  command.add_option("--batch", options.batch, "Images per batch")->capture_default_str();
  command
      .add_option("--cycles", options.cycles,
                  "Number of batches to select and label; 0: only the initial images")
      ->capture_default_str();
  command.add_option("--seeds", line.seeds, "Number of seeds (1 to N), or a list such as 3,5,8")
      ->capture_default_str();
  command
      .add_option("--seconds-per-image", options.seconds_per_image,
                  "Labeling cost of an image, without its boxes")
      ->capture_default_str();
  command
      .add_option("--seconds-per-box", options.seconds_per_box, "Labeling cost of each true box")
      ->capture_default_str();
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
  AddProtocolOptions(*command, *line);
  command->add_option("--profile", options.profile,
                      "The detector and its training (default: the server's)");
  command->add_option("--out", options.out, "Folder for results.json and report.html")->required();
  command->add_option("--training-steps", options.training_steps,
                      "Training steps per cycle; 0: the profile's");
  command->add_option("--input-size", options.input_size,
                      "Longest side of the detector's input; 0: the profile's");
  command->add_option("--probes", options.probes, "Has no effect: cycles make replay probes only");
  command->add_option("--replay-probes", options.replay_probes,
                      "Replay probes per cycle; 0: the profile's; -1: none");
  command->add_flag("--warm-start", options.warm_start,
                    "Start each training from the previous cycle's weights");
  command->add_option("--limit", options.limit, "At most this many images per split; 0: all");
  CLI::Option* fraction = command->add_option(
      "--val-fraction", line->val_fraction,
      "Fraction of the validation split to label from the start (default 1); without such a "
      "split, fraction of the pool to set aside (default 0.2)");
  CLI::Option* server_path = command->add_option(
      "--server-path", line->server_path,
      "Send paths instead of bytes: where images/ is below the server's image root");
  command->add_flag("--resume", options.resume,
                    "Keep the finished runs in --out and play what is missing: after an "
                    "interruption, or with more strategies or seeds");
  command->add_flag("--keep-pools", options.keep_pools, "Keep the pools on the server");
  command->callback([line, fraction, server_path, &session] {
    session.Finish(RunSimulate(*line, fraction->count() > 0, server_path->count() > 0, session));
  });
}

}  // namespace mgral::client
