#include "client/cpp/command/replay_options.h"

#include <cstdint>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/dataset_options.h"

namespace mgral::client {

void AddReplayOptions(CLI::App& command, SimulateOptions& options, ReplayLine& line) {
  command.add_option("--dataset", options.dataset, "Folder of the labeled dataset")->required();
  command.add_option("--splits", options.splits,
                     "JSON file with lists of file names: train or pool, val, test");
  AddVocCornersOption(command, &line.voc_corners);
  line.has_val_fraction = command.add_option(
      "--val-fraction", line.val_fraction,
      "Fraction of the validation split to label from the start (default 1); without such a "
      "split, fraction of the pool to set aside (default 0.2)");
  command.add_option("--limit", options.limit, "At most this many images per split; 0: all");
  line.has_server_path = command.add_option(
      "--server-path", line.server_path,
      "Send paths instead of bytes: where images/ is below the server's image root");
  command.add_option("--initial", options.initial, "Labeled images before the first cycle")
      ->capture_default_str();
  command.add_option("--profile", options.profile,
                     "The detector and its training (default: the server's)");
  command.add_option("--training-steps", options.training_steps,
                     "Training steps per cycle; 0: the profile's");
  command.add_option("--input-size", options.input_size,
                     "Longest side of the detector's input; 0: the profile's");
  command.add_option("--replay-probes", options.replay_probes,
                     "Replay probes per cycle; 0: the profile's; -1: none");
  command
      .add_option("--seconds-per-image", options.seconds_per_image,
                  "Labeling cost of an image, without its boxes")
      ->capture_default_str();
  command
      .add_option("--seconds-per-box", options.seconds_per_box, "Labeling cost of each true box")
      ->capture_default_str();
  command.add_flag("--keep-pools", options.keep_pools, "Keep the pools on the server");
}

absl::Status TakeReplayLine(const ReplayLine& line, SimulateOptions* options) {
  absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(line.seeds);
  if (!seeds.ok()) return UsageError(std::string(seeds.status().message()));
  options->seeds = *std::move(seeds);
  if (line.has_val_fraction->count() > 0) options->val_fraction = line.val_fraction;
  if (line.has_server_path->count() > 0) options->server_path = line.server_path;
  return absl::OkStatus();
}

absl::StatusOr<Dataset> ReadReplayedDataset(const ReplayLine& line, const SimulateOptions& options,
                                            Session& session) {
  const absl::StatusOr<VocCorners> corners = ParseVocCorners(line.voc_corners);
  if (!corners.ok()) return UsageError(std::string(corners.status().message()));
  ReadOptions read;
  read.voc_corners = *corners;
  absl::StatusOr<Dataset> dataset = ReadDataset(options.dataset, options.splits, read);
  if (!dataset.ok()) {
    return UsageError(absl::StrCat("--dataset: ", dataset.status().message()));
  }
  ReportReading(*dataset, session);
  return dataset;
}

}  // namespace mgral::client
