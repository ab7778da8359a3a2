#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mgral::client {

absl::StatusOr<std::string> ReadTextFile(const std::string& file);

// Writes beside the file, then renames: readers see the old or the new content, never a part.
absl::Status ReplaceTextFile(const std::string& file, const std::string& content);

}  // namespace mgral::client
