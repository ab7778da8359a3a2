#pragma once

#include <map>
#include <string>

#include "server/domain/artifact_store.h"

namespace mgral::test {

// Artifacts in memory; the "SHA-256" of bytes is "sha-" and the bytes.
class FakeArtifactStore : public domain::ArtifactStore {
 public:
  absl::StatusOr<std::string> Put(absl::string_view bytes) override {
    if (!put_status.ok()) return put_status;
    const std::string name = "sha-" + std::string(bytes);
    files[name] = std::string(bytes);
    return name;
  }
  absl::StatusOr<std::string> PutFile(const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::string> PathOf(const std::string& sha256) override { return "/" + sha256; }
  absl::StatusOr<std::string> Get(const std::string& sha256) override {
    if (files.count(sha256) == 0) {
      return absl::DataLossError("artifact " + sha256 + " is missing");
    }
    return files[sha256];
  }
  absl::StatusOr<std::string> WorkFolder(const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::Status RemoveWorkFolder(const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::vector<std::string>> WorkFolders() override {
    return std::vector<std::string>();
  }

  std::map<std::string, std::string> files;
  absl::Status put_status;
};

}  // namespace mgral::test
