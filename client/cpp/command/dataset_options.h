#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/command/session.h"
#include "client/cpp/lib/dataset.h"

namespace CLI {
class App;
}

namespace mgral::client {

// --coco FILE [--images DIR], --voc DIR, or where labels are not needed --images DIR alone: shared
// by the commands that read a dataset.
struct DatasetOptions {
  std::string coco, images, voc;
  std::string splits;             // empty: none
  bool allows_unlabeled = false;  // --images alone will do
};

// Adds all of them but --splits.
void AddDatasetOptions(CLI::App& command, DatasetOptions* options);

// Reads the dataset and remarks on stderr what was mended. Errors are usage errors.
absl::StatusOr<Dataset> ReadChosenDataset(const DatasetOptions& options, const ReadOptions& read,
                                          Session& session);

}  // namespace mgral::client
