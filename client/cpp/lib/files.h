#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mgral::client {

// The whole of a file, at most 4 GiB. Errors name the file.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Writes beside the file, then renames: readers see the old or the new content, never a part.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);

}  // namespace mgral::client
