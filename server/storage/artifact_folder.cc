#include "server/storage/artifact_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/base/files.h"

namespace mgral::storage {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<StoredFile>> ListFiles(const std::string& folder) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  std::vector<StoredFile> files;
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    StoredFile file{entry->path().string(), entry->path().filename().string(), 0, {}};
    struct stat info;
    if (lstat(file.path.c_str(), &info) != 0) continue;  // deleted meanwhile
    if (!S_ISREG(info.st_mode)) continue;
    file.bytes = info.st_size;
    file.modified = absl::TimeFromTimespec(info.st_mtim);
    files.push_back(std::move(file));
  }
  if (error) return base::FileError(error.value(), absl::StrCat("cannot list ", folder));
  std::sort(files.begin(), files.end(),
            [](const StoredFile& a, const StoredFile& b) { return a.name < b.name; });
  return files;
}

std::string LockPath(const std::string& root) { return root + "/lock"; }

// The open lock file, -1 with errno when that cannot be. Network file systems want a file to be
// open for writing by those who lock it alone.
int OpenLock(const std::string& root, ArtifactLock::Purpose purpose) {
  const int flags = (purpose == ArtifactLock::Purpose::kStore ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  const int fd = open(LockPath(root).c_str(), flags);
  // Somebody has deleted it, or no server has used the folder yet.
  if (fd >= 0 || errno != ENOENT || !MakeLockFile(root).ok()) return fd;
  return open(LockPath(root).c_str(), flags);
}

}  // namespace

std::string ObjectPath(const std::string& root, const std::string& sha256) {
  return absl::StrCat(root, "/objects/", sha256.substr(0, 2), "/", sha256);
}

absl::Status MakeLockFile(const std::string& root) {
  const std::string path = LockPath(root);
  struct stat folder;
  if (stat(root.c_str(), &folder) != 0) {
    return base::FileError(errno, absl::StrCat("cannot look at ", root));
  }
  const base::Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0664));
  if (file.get() < 0 && errno == EEXIST) return absl::OkStatus();
  if (file.get() < 0 || fchmod(file.get(), 0664) != 0) {
    return base::FileError(errno, absl::StrCat("cannot make ", path));
  }
  if (geteuid() == 0 && fchown(file.get(), folder.st_uid, folder.st_gid) != 0) {
    return base::FileError(errno, absl::StrCat("cannot give away ", path));
  }
  return absl::OkStatus();
}

ArtifactLock::ArtifactLock(const std::string& root, Purpose purpose)
    : fd_(OpenLock(root, purpose)) {
  const int operation = purpose == Purpose::kStore ? LOCK_SH : LOCK_EX;
  int locked = fd_ < 0 ? -1 : flock(fd_, operation);
  while (fd_ >= 0 && locked != 0 && errno == EINTR) locked = flock(fd_, operation);
  if (locked != 0) {
    status_ = absl::InternalError(
        absl::StrCat("cannot lock the artifact folder: ", std::strerror(errno)));
  }
}

ArtifactLock::~ArtifactLock() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::vector<StoredFile>> ListObjects(const std::string& root) {
  auto files = ListFiles(root + "/objects");
  if (!files.ok()) return files;
  const auto foreign = [&root](const StoredFile& file) {
    return file.name.size() != kSha256Digits || file.path != ObjectPath(root, file.name);
  };
  files->erase(std::remove_if(files->begin(), files->end(), foreign), files->end());
  return files;
}

absl::StatusOr<std::vector<StoredFile>> ListTemporaries(const std::string& root) {
  return ListFiles(root + "/tmp");
}

absl::StatusOr<bool> RemoveStoredFile(const std::string& root, const StoredFile& file,
                                      absl::Time modified_before) {
  const ArtifactLock lock(root, ArtifactLock::Purpose::kDelete);
  if (!lock.status().ok()) return lock.status();
  struct stat info;
  if (lstat(file.path.c_str(), &info) != 0) {
    if (errno == ENOENT) return false;
    return base::FileError(errno, absl::StrCat("cannot look at ", file.path));
  }
  if (absl::TimeFromTimespec(info.st_mtim) >= modified_before) return false;
  if (unlink(file.path.c_str()) != 0) {
    return base::FileError(errno, absl::StrCat("cannot delete ", file.path));
  }
  return true;
}

}  // namespace mgral::storage
