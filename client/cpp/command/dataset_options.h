#pragma once

#include <string>
#include <vector>

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
  std::string voc_corners = "auto";
  std::string splits;             // empty: none
  bool allows_unlabeled = false;  // --images alone will do
};

// Adds all of them but --splits.
void AddDatasetOptions(CLI::App& command, DatasetOptions* options);
// Adds --voc-corners alone.
void AddVocCornersOption(CLI::App& command, std::string* corners);

// Reads the dataset and says on stderr what was decided and corrected. Errors are usage errors.
absl::StatusOr<Dataset> ReadChosenDataset(const DatasetOptions& options, ReadOptions read,
                                          Session& session);
// What was decided and corrected when the dataset was read, on stderr.
void ReportReading(const Dataset& dataset, Session& session);

// The ids of all images of a pool, which a dataset's are found among.
absl::StatusOr<std::vector<std::string>> PoolImages(const std::string& pool, Client& client);

}  // namespace mgral::client
