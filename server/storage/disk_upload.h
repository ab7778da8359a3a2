#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/files.h"
#include "server/domain/artifact_store.h"
#include "server/storage/sha256.h"

namespace mgral::storage {

class DiskUpload : public domain::Upload {
 public:
  // Makes the file at `path`, where it stays for no longer than that takes. Errors: as FileError.
  static absl::StatusOr<std::unique_ptr<domain::Upload>> Open(const std::string& path);

  absl::Status Append(absl::string_view bytes) override;
  std::string path() const override;
  std::string Sha256() override { return hash_.Hex(); }

 private:
  explicit DiskUpload(int fd) : file_(fd) {}

  const base::Descriptor file_;
  storage::Sha256 hash_;
};

}  // namespace mgral::storage
