#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "server/storage/disk_artifact_store.h"

namespace mgral::test {

// The store of the server, in a folder that goes with it.
class TemporaryArtifactStore : public storage::DiskArtifactStore {
 public:
  TemporaryArtifactStore() : TemporaryArtifactStore(MakeFolder()) {}
  ~TemporaryArtifactStore() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::string> Put(absl::string_view bytes) override {
    if (!put_status.ok()) return put_status;
    return DiskArtifactStore::Put(bytes);
  }

  // Artifacts stored.
  size_t Count() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/objects")) {
      count += entry.is_regular_file();
    }
    return count;
  }

  const std::string& root() const { return folder_; }

  absl::Status put_status;  // what Put answers unless it is OK

 private:
  explicit TemporaryArtifactStore(const std::string& folder)
      : DiskArtifactStore(folder), folder_(folder) {
    if (!Prepare(folder).ok()) abort();
  }
  static std::string MakeFolder() {
    std::string folder = (std::filesystem::temp_directory_path() / "mgral-store-XXXXXX").string();
    if (mkdtemp(&folder[0]) == nullptr) abort();
    return folder;
  }

  const std::string folder_;
};

}  // namespace mgral::test
