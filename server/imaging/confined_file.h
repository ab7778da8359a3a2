#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace mgral::imaging {

// Reads files below one folder and nothing else. Thread-safe.
class ConfinedFiles {
 public:
  // An empty root refuses every path.
  ConfinedFiles(const std::string& root, int64_t max_bytes);

  // The whole file. Symbolic links are followed as long as they end below the root. Errors are
  // INVALID_ARGUMENT on "source.path": absolute, has "..", leaves the root, isn't a regular file,
  // is missing, is empty, is longer than max_bytes. domain::FaultOf tells them apart.
  absl::StatusOr<std::string> Read(const std::string& path) const;

 private:
  std::string root_;  // resolved, with a slash at the end
  int64_t max_bytes_;
};

}  // namespace mgral::imaging
