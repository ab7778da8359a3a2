#include "server/storage/disk_artifact_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/base/status_macros.h"
#include "server/storage/artifact_folder.h"
#include "server/storage/disk_upload.h"
#include "server/storage/sha256.h"

namespace mgral::storage {
namespace {

namespace fs = std::filesystem;
constexpr size_t kChunkBytes = 1 << 20;
constexpr absl::Duration kTick = absl::Seconds(1);  // that no file system's clock exceeds much
constexpr size_t kMaxChecked = 10'000;

std::string HashOf(absl::string_view bytes) {
  Sha256 hash;
  hash.Add(bytes.data(), bytes.size());
  return hash.Hex();
}

// Calls `use(data, size)` for the file's content, piece by piece. Errors call it `name`.
template <typename Use>
absl::Status ReadAll(const std::string& path, const std::string& name, const Use& use) {
  const base::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return base::FileError(errno, absl::StrCat("cannot open ", name));
  std::vector<char> chunk(kChunkBytes);
  while (true) {
    const ssize_t size = read(file.get(), chunk.data(), chunk.size());
    if (size == 0) return absl::OkStatus();
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return base::FileError(errno, absl::StrCat("cannot read ", name));
    const absl::Status status = use(chunk.data(), static_cast<size_t>(size));
    if (!status.ok()) return status;
  }
}

bool IsSha256(const std::string& text) {
  if (text.size() != 64) return false;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c) && (c < 'a' || c > 'f')) return false;
  }
  return true;
}

std::string NameOf(const std::string& sha256) { return absl::StrCat("artifact ", sha256); }

absl::Status Missing(const std::string& sha256) {
  return absl::DataLossError(absl::StrCat(NameOf(sha256), " is missing"));
}

absl::Status Changed(const std::string& sha256) {
  return absl::DataLossError(absl::StrCat(NameOf(sha256), " was changed on disk"));
}

bool IsFolderName(const std::string& name) {
  if (name.empty() || name.size() > 200 || name[0] == '.') return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

absl::Status MakeFolders(const std::string& path, const std::string& name) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? base::FileError(error.value(), absl::StrCat("cannot make ", name))
               : absl::OkStatus();
}

// The time of modification becomes now; false when that cannot be.
bool Touch(const std::string& path) { return utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0; }

// Removes a temporary file unless it was installed.
class RemoveAtExit {
 public:
  explicit RemoveAtExit(std::string path) : path_(std::move(path)) {}
  ~RemoveAtExit() { unlink(path_.c_str()); }

 private:
  const std::string path_;
};

}  // namespace

absl::Status DiskArtifactStore::Prepare(const std::string& root) {
  absl::Status made;
  for (const char* folder : {"/objects", "/tmp", "/work"}) {
    if (made.ok()) made = MakeFolders(root + folder, root + folder);
  }
  if (made.ok()) made = MakeLockFile(root);
  if (made.ok()) return made;
  return base::FailedPrecondition("ARTIFACT_DIR", std::string(made.message()), "artifact_dir");
}

DiskArtifactStore::DiskArtifactStore(std::string root) : root_(std::move(root)) {}

absl::Status DiskArtifactStore::WithoutRoot(const absl::Status& status) const {
  absl::Status shown(status.code(), absl::StrReplaceAll(status.message(), {{root_ + "/", ""}}));
  status.ForEachPayload([&shown](absl::string_view type, const absl::Cord& payload) {
    shown.SetPayload(type, payload);
  });
  return shown;
}

std::string DiskArtifactStore::TemporaryPath() const {
  static std::atomic<uint64_t> counter{0};
  static const uint64_t process = std::random_device{}();
  return absl::StrCat(root_, "/tmp/", getpid(), "-", absl::Hex(process), "-", ++counter);
}

absl::Status DiskArtifactStore::WriteTemporary(const std::string& path,
                                               absl::string_view bytes) const {
  const absl::Status made = MakeFolders(root_ + "/tmp", "the folder of temporary files");
  if (!made.ok()) return made;
  const base::Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() < 0) return base::FileError(errno, "cannot make a temporary file");
  return base::WriteAll(file.get(), bytes, "an artifact");
}

absl::Status DiskArtifactStore::Install(const std::string& path, const std::string& sha256) const {
  const std::string target = ObjectPath(root_, sha256);
  MGRAL_RETURN_IF_ERROR(MakeFolders(target.substr(0, target.rfind('/')), "a folder of artifacts"));
  const ArtifactLock lock(root_, ArtifactLock::Purpose::kStore);
  MGRAL_RETURN_IF_ERROR(lock.status());
  // A file that was taken over may be old. It replaces whatever is there: the same content, or what
  // a broken disk left of it.
  if (!Touch(path)) return base::FileError(errno, absl::StrCat("cannot store artifact ", sha256));
  MGRAL_RETURN_IF_ERROR(WithoutRoot(base::InstallFile(path, target)));
  return WithoutRoot(base::SyncFolder(absl::StrCat(root_, "/objects")));
}

absl::StatusOr<std::string> DiskArtifactStore::Put(absl::string_view bytes) {
  const std::string sha256 = HashOf(bytes);
  // What a broken disk has left of it is replaced.
  if (const auto existing = PathOf(sha256); existing.ok()) {
    const ArtifactLock lock(root_, ArtifactLock::Purpose::kStore);
    MGRAL_RETURN_IF_ERROR(lock.status());
    if (Touch(*existing)) return sha256;
  }
  const std::string path = TemporaryPath();
  const RemoveAtExit remove(path);
  absl::Status status = WriteTemporary(path, bytes);
  if (status.ok()) status = Install(path, sha256);
  if (!status.ok()) return status;
  return sha256;
}

absl::StatusOr<std::string> DiskArtifactStore::PutFile(const std::string& path) {
  Sha256 hash;
  absl::Status status = ReadAll(path, "a new artifact", [&](const char* data, size_t size) {
    hash.Add(data, size);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const std::string sha256 = hash.Hex();
  // A name in our folder first: over a file system's border rename fails, and then it is copied.
  const std::string temporary = TemporaryPath();
  const RemoveAtExit remove(temporary);
  status = MakeFolders(root_ + "/tmp", "the folder of temporary files");
  if (!status.ok()) return status;
  if (rename(path.c_str(), temporary.c_str()) != 0) {
    if (errno != EXDEV) return base::FileError(errno, "cannot take over a new artifact");
    status = WriteTemporary(temporary, "");
    if (!status.ok()) return status;
    const base::Descriptor copy(open(temporary.c_str(), O_WRONLY | O_CLOEXEC));
    status = ReadAll(path, "a new artifact", [&](const char* data, size_t size) {
      return base::WriteAll(copy.get(), {data, size}, "an artifact");
    });
    if (!status.ok()) return status;
    unlink(path.c_str());
  }
  status = Install(temporary, sha256);
  if (!status.ok()) return status;
  return sha256;
}

absl::StatusOr<std::unique_ptr<domain::Upload>> DiskArtifactStore::NewUpload() {
  const absl::Status made = MakeFolders(root_ + "/tmp", "the folder of temporary files");
  if (!made.ok()) return made;
  return DiskUpload::Open(TemporaryPath());
}

absl::StatusOr<std::string> DiskArtifactStore::PathOf(const std::string& sha256) {
  const std::string path = ObjectPath(root_, sha256);
  struct stat info;
  if (!IsSha256(sha256) || stat(path.c_str(), &info) != 0) return Missing(sha256);
  const FileState state = {info.st_dev, info.st_ino, info.st_size,
                           absl::ToUnixNanos(absl::TimeFromTimespec(info.st_ctim))};
  {
    absl::MutexLock lock(&mutex_);
    const auto checked = checked_.find(sha256);
    if (checked != checked_.end() && checked->second == state) return path;
  }
  Sha256 hash;
  MGRAL_RETURN_IF_ERROR(ReadAll(path, NameOf(sha256), [&](const char* data, size_t size) {
    hash.Add(data, size);
    return absl::OkStatus();
  }));
  if (hash.Hex() != sha256) return Changed(sha256);
  // A change within the clock's tick would not show.
  if (absl::Now() - absl::TimeFromTimespec(info.st_ctim) < kTick) return path;
  absl::MutexLock lock(&mutex_);
  if (checked_.size() >= kMaxChecked) checked_.clear();
  checked_[sha256] = state;
  return path;
}

absl::StatusOr<std::string> DiskArtifactStore::Get(const std::string& sha256) {
  const std::string path = ObjectPath(root_, sha256);
  if (!IsSha256(sha256) || access(path.c_str(), F_OK) != 0) return Missing(sha256);
  std::string bytes;
  MGRAL_RETURN_IF_ERROR(ReadAll(path, NameOf(sha256), [&](const char* data, size_t size) {
    bytes.append(data, size);
    return absl::OkStatus();
  }));
  if (HashOf(bytes) != sha256) return Changed(sha256);
  return bytes;
}

absl::StatusOr<std::string> DiskArtifactStore::WorkFolder(const std::string& name) {
  if (!IsFolderName(name)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name for a work folder"));
  }
  const std::string path = absl::StrCat(root_, "/work/", name);
  const absl::Status made = MakeFolders(path, absl::StrCat("work folder ", name));
  if (!made.ok()) return made;
  return path;
}

absl::Status DiskArtifactStore::RemoveWorkFolder(const std::string& name) {
  if (!IsFolderName(name)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name for a work folder"));
  }
  std::error_code error;
  fs::remove_all(absl::StrCat(root_, "/work/", name), error);
  return error ? base::FileError(error.value(), absl::StrCat("cannot remove work folder ", name))
               : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> DiskArtifactStore::WorkFolders(
    absl::Duration untouched_for) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(absl::StrCat(root_, "/work"), error), end;
       !error && entry != end; entry.increment(error)) {
    struct stat info;
    if (stat(entry->path().c_str(), &info) != 0) continue;  // removed meanwhile
    if (absl::Now() - absl::TimeFromTimespec(info.st_mtim) < untouched_for) continue;
    names.push_back(entry->path().filename().string());
  }
  if (error) return base::FileError(error.value(), "cannot list the work folders");
  return names;
}

}  // namespace mgral::storage
