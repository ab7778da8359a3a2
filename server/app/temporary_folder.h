#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/artifact_store.h"

namespace mgral::app {

// A work folder of its own for a file that is being written; removed with this object, or a day
// later if the process dies.
class TemporaryFolder {
 public:
  // Errors: those of ArtifactStore::WorkFolder.
  static absl::StatusOr<TemporaryFolder> Make(domain::ArtifactStore* artifacts);
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;

  const std::string& path() const { return path_; }
  // Before this object is gone, to learn of errors.
  absl::Status Remove();

 private:
  TemporaryFolder(domain::ArtifactStore* artifacts, std::string name, std::string path);

  domain::ArtifactStore* artifacts_;
  std::string name_, path_;  // name_: empty once removed
};

}  // namespace mgral::app
