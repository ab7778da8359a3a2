// mgral fidelity
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/dataset_options.h"
#include "client/cpp/fidelity/fidelity.h"
#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/fidelity/fidelity_summary.h"

namespace mgral::client {
namespace {

struct FidelityLine {
  FidelityOptions options;
  std::string seeds = "2";
  double val_fraction = 0;
  std::string server_path;
  std::string voc_corners = "auto";
};

// Options, and the dataset that they name.
absl::StatusOr<Dataset> CheckAndRead(FidelityLine* line, bool has_fraction, bool has_server_path,
                                     Session& session) {
  SimulateOptions& replay = line->options.replay;
  absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(line->seeds);
  if (!seeds.ok()) return UsageError(std::string(seeds.status().message()));
  replay.seeds = *seeds;
  if (has_fraction) replay.val_fraction = line->val_fraction;
  if (has_server_path) replay.server_path = line->server_path;
  const absl::Status checked = CheckFidelityOptions(line->options);
  if (!checked.ok()) return UsageError(std::string(checked.message()));
  const absl::StatusOr<VocCorners> corners = ParseVocCorners(line->voc_corners);
  if (!corners.ok()) return UsageError(std::string(corners.status().message()));
  ReadOptions read;
  read.voc_corners = *corners;
  absl::StatusOr<Dataset> dataset = ReadDataset(replay.dataset, replay.splits, read);
  if (!dataset.ok()) {
    return UsageError(absl::StrCat("--dataset: ", dataset.status().message()));
  }
  ReportReading(*dataset, session);
  return dataset;
}

absl::StatusOr<FidelityResults> Measure(const FidelityOptions& options, const Dataset& dataset,
                                        const Partition& partition, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  std::unique_ptr<ProgressBar> bar = session.Progress("estimating", 0, "batches");
  absl::StatusOr<FidelityResults> results =
      EstimateBatches(**client, dataset, partition, options, *bar);
  bar->Finish();
  if (!results.ok()) return results.status();
  bar = session.Progress("measuring", 0, "trainings");
  const absl::Status measured =
      MeasureTruth(**client, dataset, partition, options, &*results, *bar);
  bar->Finish();
  if (measured.ok()) return results;
  session.Note("Measured so far: " +
               (std::filesystem::absolute(options.replay.out) / "fidelity.json").string() +
               "; --resume goes on from there");
  return measured;
}

absl::Status RunFidelity(FidelityLine line, bool has_fraction, bool has_server_path,
                         Session& session) {
  const absl::StatusOr<Dataset> dataset =
      CheckAndRead(&line, has_fraction, has_server_path, session);
  if (!dataset.ok()) return dataset.status();
  const absl::StatusOr<Partition> partition = FidelityPartition(*dataset, line.options);
  if (!partition.ok()) return partition.status();
  const absl::StatusOr<FidelityResults> results =
      Measure(line.options, *dataset, *partition, session);
  if (!results.ok()) {
    const std::string message(results.status().message());
    return absl::StartsWith(message, "--resume") ? UsageError(message) : results.status();
  }
  const FidelitySummary summary = Summarize(*results);
  if (session.json) {
    Json document = FidelityToJson(*results);
    document["summary"] = SummaryToJson(summary);
    session.PrintJson(document);
    return absl::OkStatus();
  }
  PrintFidelity(*results, summary, session.out());
  const std::filesystem::path out = std::filesystem::absolute(line.options.replay.out);
  session.out() << "\nreport   " << (out / "fidelity.html").string() << "\nresults  "
                << (out / "fidelity.json").string() << "\n";
  return absl::OkStatus();
}

void AddTrialOptions(CLI::App& command, FidelityLine& line) {
  FidelityOptions& options = line.options;
  command
      .add_option("--batches", options.batches,
                  "Batches to estimate and to train on; fewer than 60 give no figure to publish")
      ->capture_default_str();
  command.add_option("--smallest", options.smallest, "Fewest images in a batch")
      ->capture_default_str();
  command.add_option("--largest", options.largest, "Most images in a batch")->capture_default_str();
  command
      .add_option(
          "--strategies", options.strategies,
          "Strategies that take turns choosing a quarter of the batches, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  command
      .add_option("--seeds", line.seeds,
                  "Training seeds of the real gain: their number (1 to N), or a list such as 3,5,8")
      ->capture_default_str();
  command
      .add_option("--base-seeds", options.base_seeds,
                  "Trainings with the initial labels alone; gains are measured from their mean")
      ->capture_default_str();
  command
      .add_option("--seed", options.seed,
                  "Seed of the initial labels, the batches, the test halves, and the table")
      ->capture_default_str();
  command.add_option("--also-profile", options.also_profile,
                     "Measure the real gain with this profile, too, with its own steps and input "
                     "size");
  command
      .add_option("--also-batches", options.also_batches,
                  "Number of batches, the first ones, that --also-profile measures")
      ->capture_default_str();
}

void AddReplayOptions(CLI::App& command, SimulateOptions& options) {
  command.add_option("--initial", options.initial, "Labeled images before the first cycle")
      ->capture_default_str();
  command.add_option("--profile", options.profile,
                     "The detector and its training (default: the server's)");
  command.add_option("--training-steps", options.training_steps,
                     "Training steps per cycle; 0: the profile's");
  command.add_option("--input-size", options.input_size,
                     "Longest side of the detector's input; 0: the profile's");
  command.add_option("--replay-probes", options.replay_probes,
                     "Replay probes of the table; 0: the profile's");
  command
      .add_option(
          "--seconds-per-image", options.seconds_per_image,
          "Labeling cost of an image, without its boxes; strategies choose by gain per cost")
      ->capture_default_str();
  command.add_option("--seconds-per-box", options.seconds_per_box, "Labeling cost of each box")
      ->capture_default_str();
  command.add_option("--limit", options.limit, "At most this many images per split; 0: all");
  command.add_flag(
      "--resume", options.resume,
      "Keep the batches, estimates, and trainings in --out, and train what is missing");
  command.add_flag("--keep-pools", options.keep_pools, "Keep the pools on the server");
}

}  // namespace

void AddFidelityCommand(CLI::App& app, Session& session) {
  auto line = std::make_shared<FidelityLine>();
  SimulateOptions& replay = line->options.replay;
  CLI::App* command = app.add_subcommand(
      "fidelity",
      "Compare a look-up table's estimates for batches with the gains of real trainings");
  command->footer(
      "Example:\n  mgral fidelity --dataset cells --initial 40 --batches 60 --seeds 2 --out run\n\n"
      "The folder holds COCO annotations.json and images/, or a VOC layout; optionally "
      "splits.json. A run trains a detector for each batch and seed: hours on a CPU.");
  command->add_option("--dataset", replay.dataset, "Folder of the labeled dataset")->required();
  command->add_option("--splits", replay.splits,
                      "JSON file with lists of file names: train or pool, val, test");
  AddVocCornersOption(*command, &line->voc_corners);
  command->add_option("--out", replay.out, "Folder for fidelity.json and fidelity.html")
      ->required();
  AddTrialOptions(*command, *line);
  AddReplayOptions(*command, replay);
  CLI::Option* fraction = command->add_option(
      "--val-fraction", line->val_fraction,
      "Fraction of the validation split to label from the start (default 1); without such a "
      "split, fraction of the pool to set aside (default 0.2)");
  CLI::Option* server_path = command->add_option(
      "--server-path", line->server_path,
      "Send paths instead of bytes: where images/ is below the server's image root");
  command->callback([line, fraction, server_path, &session] {
    session.Finish(RunFidelity(*line, fraction->count() > 0, server_path->count() > 0, session));
  });
}

}  // namespace mgral::client
