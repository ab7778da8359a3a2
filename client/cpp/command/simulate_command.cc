// mgral simulate
#include <filesystem>
#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/report/terminal.h"
#include "client/cpp/simulate/simulate.h"

namespace mgral::client {
namespace {

struct CommandLine {
  SimulateOptions options;
  std::string seeds = "1";
  double val_fraction = 0;
  std::string server_path;
};

absl::Status Run(CommandLine line, bool has_fraction, bool has_server_path, Session& session) {
  SimulateOptions& options = line.options;
  absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(line.seeds);
  if (!seeds.ok()) return UsageError(std::string(seeds.status().message()));
  options.seeds = *seeds;
  if (has_fraction) options.val_fraction = line.val_fraction;
  if (has_server_path) options.server_path = line.server_path;
  const absl::Status checked = CheckOptions(options);
  if (!checked.ok()) return UsageError(std::string(checked.message()));
  absl::StatusOr<Dataset> dataset = ReadDataset(options.dataset, options.splits);
  if (!dataset.ok()) {
    return UsageError(absl::StrCat("--dataset: ", dataset.status().message()));
  }
  for (const std::string& warning : dataset->warnings) session.Note("dataset: " + warning);
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  const std::filesystem::path out = std::filesystem::absolute(options.out);
  const std::unique_ptr<ProgressBar> bar = session.Progress("simulating", 0, "cycles");
  absl::StatusOr<Results> results = Simulate(**client, *dataset, options, *bar);
  bar->Finish();
  if (!results.ok()) {
    session.Note("Measured so far, if anything: " + (out / "results.json").string());
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

}  // namespace

void AddSimulateCommand(CLI::App& app, Session& session) {
  auto line = std::make_shared<CommandLine>();
  SimulateOptions& options = line->options;
  CLI::App* command = app.add_subcommand(
      "simulate", "Replays a labelled dataset through the service and draws the learning curves");
  command->footer(
      "Example:\n  mgral simulate --dataset cells --strategies mgral,random --initial 40 "
      "--batch 20 --cycles 4 --seeds 3 --out run\n\n"
      "The dataset holds COCO annotations.json and images/, and optionally splits.json.");
  command->add_option("--dataset", options.dataset, "Directory of the labelled dataset")
      ->required();
  command->add_option("--splits", options.splits,
                      "JSON lists of file names: train or pool, val, test");
  command->add_option("--strategies", options.strategies, "Comma-separated; random is the baseline")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--initial", options.initial, "Labels before the first cycle")
      ->capture_default_str();
  command->add_option("--batch", options.batch, "Labels per batch")->capture_default_str();
  command->add_option("--cycles", options.cycles, "Batches to pick and label")
      ->capture_default_str();
  command->add_option("--seeds", line->seeds, "How many seeds (1..N), or a list such as 3,5,8")
      ->capture_default_str();
  command->add_option("--profile", options.profile, "Size of the detector")->capture_default_str();
  command->add_option("--out", options.out, "Where results.json and report.html go")->required();
  command->add_option("--training-steps", options.training_steps, "0: the profile's own");
  command->add_option("--input-size", options.input_size, "0: the profile's own");
  command->add_option("--probes", options.probes, "Probes per cycle; 0: the profile's own");
  command->add_option("--replay-probes", options.replay_probes, "0: the profile's own");
  command->add_flag("--warm-start", options.warm_start, "Go on with the previous cycle's weights");
  command->add_option("--limit", options.limit, "At most this many images per split; 0: all");
  CLI::Option* fraction = command->add_option(
      "--val-fraction", line->val_fraction,
      "Share of the validation split that is labelled from the start (default 1); without such a "
      "split, share of the pool that is set aside (default 0.2)");
  CLI::Option* server_path = command->add_option(
      "--server-path", line->server_path,
      "Where the server finds images/ below its image root; without, the bytes are sent");
  command->add_flag("--keep-pools", options.keep_pools, "Leave the pools on the server");
  command->callback([line, fraction, server_path, &session] {
    session.Finish(Run(*line, fraction->count() > 0, server_path->count() > 0, session));
  });
}

}  // namespace mgral::client
