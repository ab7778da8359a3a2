#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mgral::base {

// Owns an open file descriptor; -1 for none.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The status of an errno value: RESOURCE_EXHAUSTED when the disk is full, NOT_FOUND, else INTERNAL.
// `what` is what was tried, e.g. "cannot open /var/x".
absl::Status FileError(int error, const std::string& what);

// Writes all of `bytes`, whatever interrupts it. `path` is for the message. Errors: as FileError.
absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path);

// Makes the names in a folder durable. Errors: as FileError.
absl::Status SyncFolder(const std::string& path);

// Makes the file `path` durable under the name `target`, which it replaces: fsync, rename, fsync of
// the folder. Both must be on one file system. Errors: as FileError.
absl::Status InstallFile(const std::string& path, const std::string& target);

// Writes a file that others see either as it was before or whole, and that survives a power loss.
// A temporary file beside it is removed on failure. Errors: as FileError.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes);

// Errors: INVALID_ARGUMENT with the path and the reason, also for a file longer than 1 MiB.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

// Small files that are read again and again: keys, certificates. It compares their contents, not
// their times, so that no change is missed and a folder of symbolic links that is swapped (as
// Kubernetes does) counts as one change. Not thread-safe.
class FileWatch {
 public:
  explicit FileWatch(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  using Contents = std::vector<std::string>;  // one per path
  // The contents of the files, or why one of them cannot be read (INVALID_ARGUMENT with its path);
  // nullopt when that is the same as at the last call.
  std::optional<absl::StatusOr<Contents>> ReadChanged();

 private:
  const std::vector<std::string> paths_;
  std::optional<absl::StatusOr<Contents>> last_;
};

}  // namespace mgral::base
