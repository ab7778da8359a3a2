// mgral fidelity
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/replay_options.h"
#include "client/cpp/fidelity/fidelity.h"
#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/fidelity/fidelity_summary.h"

namespace mgral::client {
namespace {

struct FidelityLine {
  FidelityOptions options;
  ReplayLine replay;
};

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

absl::Status RunFidelity(FidelityLine line, Session& session) {
  const absl::Status taken = TakeReplayLine(line.replay, &line.options.replay);
  if (!taken.ok()) return taken;
  const absl::Status checked = CheckFidelityOptions(line.options);
  if (!checked.ok()) return UsageError(std::string(checked.message()));
  const absl::StatusOr<Dataset> dataset =
      ReadReplayedDataset(line.replay, line.options.replay, session);
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
      .add_option("--seeds", line.replay.seeds,
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

}  // namespace

void AddFidelityCommand(CLI::App& app, Session& session) {
  auto line = std::make_shared<FidelityLine>();
  line->replay.seeds = "2";
  SimulateOptions& replay = line->options.replay;
  CLI::App* command = app.add_subcommand(
      "fidelity",
      "Compare a look-up table's estimates for batches with the gains of real trainings");
  command->footer(
      "Example:\n  mgral fidelity --dataset cells --initial 40 --batches 60 --seeds 2 --out run\n\n"
      "The folder holds COCO annotations.json and images/, or a VOC layout; optionally "
      "splits.json. A run trains a detector for each batch and seed: hours on a CPU.");
  AddReplayOptions(*command, replay, line->replay);
  AddTrialOptions(*command, *line);
  command->add_option("--out", replay.out, "Folder for fidelity.json and fidelity.html")
      ->required();
  command->add_flag(
      "--resume", replay.resume,
      "Keep the batches, estimates, and trainings in --out, and train what is missing");
  command->callback([line, &session] { session.Finish(RunFidelity(*line, session)); });
}

}  // namespace mgral::client
