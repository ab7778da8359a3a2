#pragma once

// Inside of server/storage only: what lies in an artifact folder, and how it is deleted.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mgral::storage {

constexpr size_t kSha256Digits = 64;  // of an artifact's name

// <root>/objects/ab/<sha256>
std::string ObjectPath(const std::string& root, const std::string& sha256);

// Makes <root>/lock, if it isn't there, for the folder's owner and group, whoever calls: an
// operator who is root must not lock the servers out. Errors: as base::FileError.
absl::Status MakeLockFile(const std::string& root);

// Keeps an object from being deleted just when somebody stores the same content again, in this
// process or another: whoever stores it holds the lock as kStore while the file gets its place and
// its new time of modification; whoever deletes it holds the lock as kDelete while looking at that
// time and unlinking. A flock on <root>/lock, which is made if need be; waits for it, and lets go
// when destroyed.
class ArtifactLock {
 public:
  enum class Purpose { kStore, kDelete };
  ArtifactLock(const std::string& root, Purpose purpose);
  ~ArtifactLock();
  ArtifactLock(const ArtifactLock&) = delete;
  ArtifactLock& operator=(const ArtifactLock&) = delete;
  // INTERNAL when the lock cannot be had.
  const absl::Status& status() const { return status_; }

 private:
  const int fd_;
  absl::Status status_;
};

struct StoredFile {
  std::string path, name;
  int64_t bytes = 0;
  absl::Time modified;
};
// The objects, by name, which is their SHA-256. Other files are ignored. Errors: NOT_FOUND
// when there is no artifact folder at `root`.
absl::StatusOr<std::vector<StoredFile>> ListObjects(const std::string& root);
// What writers have begun: theirs as long as they live, and leftovers once they were killed.
absl::StatusOr<std::vector<StoredFile>> ListTemporaries(const std::string& root);

// Deletes a listed file unless it was stored again, or is gone, since `modified_before`; true when
// this call has deleted it.
absl::StatusOr<bool> RemoveStoredFile(const std::string& root, const StoredFile& file,
                                      absl::Time modified_before);

}  // namespace mgral::storage
