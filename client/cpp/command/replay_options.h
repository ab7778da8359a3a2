#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/command/session.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/simulate/protocol.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mgral::client {

// Options as they are typed, of the commands that replay a labeled dataset.
struct ReplayLine {
  std::string seeds = "1";
  std::string voc_corners = "auto";
  double val_fraction = 0;
  std::string server_path;
  // Whether they were given, once the command line is parsed.
  const CLI::Option* has_val_fraction = nullptr;
  const CLI::Option* has_server_path = nullptr;
};

// Adds the dataset's options, and those of the pools and detectors that it is replayed with.
// `options` and `line` must outlive the parsing.
void AddReplayOptions(CLI::App& command, SimulateOptions& options, ReplayLine& line);

// Completes `options` by what `line` holds once it is parsed. Errors are usage errors.
absl::Status TakeReplayLine(const ReplayLine& line, SimulateOptions* options);

// The dataset that the options name; says on stderr what was decided and corrected when it was
// read. Errors are usage errors.
absl::StatusOr<Dataset> ReadReplayedDataset(const ReplayLine& line, const SimulateOptions& options,
                                            Session& session);

}  // namespace mgral::client
