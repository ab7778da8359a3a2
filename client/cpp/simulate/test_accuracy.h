// How good a model is on images that the service has no labels for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

struct TestAccuracy {
  Number map50, map;               // missing without any object in the images
  std::vector<Number> class_ap50;  // in the dataset's order; missing without objects
};

// Has `model` (pools/{pool}/models/{model}) detect objects in `images` (positions in the dataset)
// and compares them with the dataset's boxes. `server_path` as for ToNewImage. An image that the
// server cannot predict is an error.
absl::StatusOr<TestAccuracy> MeasureOnTest(Client& client, const std::string& model,
                                           const Dataset& dataset, const std::vector<int>& images,
                                           const std::optional<std::string>& server_path);

// The same on each of `subsets`, which are positions in `images`: the model looks at each image
// once.
absl::StatusOr<std::vector<TestAccuracy>> MeasureOnSubsets(
    Client& client, const std::string& model, const Dataset& dataset,
    const std::vector<int>& images, const std::vector<std::vector<int>>& subsets,
    const std::optional<std::string>& server_path);

}  // namespace mgral::client
