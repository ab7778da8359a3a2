// What a replay does with a pool, again and again: register, label with the truth, train.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "mgral/v1/cycle_service.pb.h"

namespace mgral::client {

// What a new pool begins with: positions in Dataset::images.
struct PoolImages {
  const std::vector<int>& train;
  const std::vector<int>& validation;
  const std::vector<int>& labeled;  // of `train`
};

// Registers the images and labels those of `validation` and `labeled` with the truth. `server_path`
// as for ToNewImage. FailedPrecondition, naming the first one, if the server refuses any.
absl::Status FillPool(Client& client, const std::string& pool, const Dataset& dataset,
                      const PoolImages& images, const std::optional<std::string>& server_path);

// Ingests the dataset's labels of the images, as those of `batch` unless that is empty.
// FailedPrecondition, naming the first one, if the server refuses any.
absl::Status IngestTrueLabels(Client& client, const std::string& pool, const Dataset& dataset,
                              const std::vector<int>& positions, v1::ImageUse use,
                              const std::string& batch);

// Runs a cycle to its end and tells `doing` (may be null) its stage. Aborted, with the cycle's
// reason, if it does not succeed; `what` says there whose cycle it was.
absl::StatusOr<v1::Cycle> RunCycle(Client& client, const std::string& pool, bool with_table,
                                   const std::string& what,
                                   const std::function<void(const std::string&)>& doing);

}  // namespace mgral::client
