#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mgral::base {

// Small files that are read again and again: keys, certificates. It compares what is in them, not
// their times, so that no change is missed and a folder of symbolic links that is swapped (as
// Kubernetes does it) counts as one. Not thread-safe.
class FileWatch {
 public:
  explicit FileWatch(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  using Contents = std::vector<std::string>;  // one per path
  // What the files hold, or why one of them cannot be read (INVALID_ARGUMENT with its path);
  // nothing when that is the same as at the last call.
  std::optional<absl::StatusOr<Contents>> ReadChanged();

 private:
  const std::vector<std::string> paths_;
  std::optional<absl::StatusOr<Contents>> last_;
};

// Errors: INVALID_ARGUMENT with the path and the reason, also for what is longer than 1 MiB.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

}  // namespace mgral::base
