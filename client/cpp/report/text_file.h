#pragma once

#include <string>

#include "absl/status/status.h"

namespace mgral::client {

// Writes beside the file, then renames: readers see the old or the new content, never a part.
absl::Status ReplaceTextFile(const std::string& file, const std::string& content);

}  // namespace mgral::client
