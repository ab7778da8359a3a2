#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace mgral::client {

// The whole of a file, at most 4 GiB. Errors name the file.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// The JSON object that a file holds. Values of "segmentation" are left out: masks are most of a
// COCO file, and nothing of them is used. Errors name the file.
absl::StatusOr<nlohmann::json> ReadJsonObject(const std::string& path);

// Writes beside the file, then renames: readers see the old or the new content, never a part.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);

}  // namespace mgral::client
