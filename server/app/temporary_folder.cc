#include "server/app/temporary_folder.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace mgral::app {

absl::StatusOr<TemporaryFolder> TemporaryFolder::Make(domain::ArtifactStore* artifacts) {
  std::random_device random;
  std::string name = absl::StrCat(domain::kExportFolderPrefix, absl::Hex(random()), "-",
                                  absl::Hex(random()), "-", absl::Hex(random()));
  MGRAL_ASSIGN_OR_RETURN(std::string path, artifacts->WorkFolder(name));
  return TemporaryFolder(artifacts, std::move(name), std::move(path));
}

TemporaryFolder::TemporaryFolder(domain::ArtifactStore* artifacts, std::string name,
                                 std::string path)
    : artifacts_(artifacts), name_(std::move(name)), path_(std::move(path)) {}

TemporaryFolder::~TemporaryFolder() { Remove().IgnoreError(); }

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : artifacts_(other.artifacts_),
      name_(std::exchange(other.name_, "")),
      path_(std::move(other.path_)) {}

absl::Status TemporaryFolder::Remove() {
  const std::string name = std::exchange(name_, "");
  return name.empty() ? absl::OkStatus() : artifacts_->RemoveWorkFolder(name);
}

}  // namespace mgral::app
