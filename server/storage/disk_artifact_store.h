#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/domain/artifact_store.h"

namespace mgral::storage {

// Below `root`: objects/ab/<sha256>, tmp/ for files that are being written, work/<name>/, and the
// lock between those who store artifacts and ArtifactCatalog::Prune, which deletes them. What is
// stored again gets a new time of modification. Errors name the artifact, never a path.
class DiskArtifactStore : public domain::ArtifactStore {
 public:
  // Makes the folders. Errors: FAILED_PRECONDITION "ARTIFACT_DIR" when it cannot.
  static absl::Status Prepare(const std::string& root);
  explicit DiskArtifactStore(std::string root);

  absl::StatusOr<std::string> Put(absl::string_view bytes) override;
  absl::StatusOr<std::string> PutFile(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<domain::Upload>> NewUpload() override;
  absl::StatusOr<std::string> PathOf(const std::string& sha256) override;
  absl::StatusOr<std::string> Get(const std::string& sha256) override;
  absl::StatusOr<std::string> WorkFolder(const std::string& name) override;
  absl::Status RemoveWorkFolder(const std::string& name) override;
  absl::StatusOr<std::vector<std::string>> WorkFolders(absl::Duration untouched_for) override;

 private:
  // The same error without the place of the folder, which is nothing for clients.
  absl::Status WithoutRoot(const absl::Status& status) const;
  std::string TemporaryPath() const;
  absl::Status WriteTemporary(const std::string& path, absl::string_view bytes) const;
  // Moves a complete file to its place; `path` is gone afterwards.
  absl::Status Install(const std::string& path, const std::string& sha256) const;

  // Device, inode, size, time of the last change in nanoseconds.
  using FileState = std::tuple<uint64_t, uint64_t, int64_t, int64_t>;

  const std::string root_;
  absl::Mutex mutex_;
  // By hash: the files whose content PathOf has checked, as they were then.
  std::map<std::string, FileState> checked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mgral::storage
