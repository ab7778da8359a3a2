#include "server/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::base {
namespace {

constexpr size_t kMaxSmallFileBytes = size_t{1} << 20;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status Sync(const std::string& path, int flags) {
  const Descriptor file(open(path.c_str(), flags | O_CLOEXEC));
  if (file.get() < 0 || fsync(file.get()) != 0) {
    return FileError(errno, absl::StrCat("cannot sync ", path));
  }
  return absl::OkStatus();
}

absl::Status CannotRead(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

absl::Status WriteNewFile(const std::string& path, absl::string_view bytes) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() < 0) return FileError(errno, absl::StrCat("cannot create ", path));
  return WriteAll(file.get(), bytes, path);
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::Status FileError(int error, const std::string& what) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    return Overloaded(absl::StrCat("the disk is full: ", message), absl::Seconds(60));
  }
  if (error == ENOENT) return absl::NotFoundError(message);
  return absl::InternalError(message);
}

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, absl::StrCat("cannot write ", path));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& path) { return Sync(path, O_RDONLY | O_DIRECTORY); }

absl::Status InstallFile(const std::string& path, const std::string& target) {
  MGRAL_RETURN_IF_ERROR(Sync(path, O_RDONLY));
  if (rename(path.c_str(), target.c_str()) != 0) {
    return FileError(errno, absl::StrCat("cannot move ", path, " to ", target));
  }
  return SyncFolder(FolderOf(target));
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes) {
  static std::atomic<uint64_t> counter{0};
  const std::string temporary = absl::StrCat(path, ".", getpid(), "-", ++counter, ".tmp");
  absl::Status status = WriteNewFile(temporary, bytes);
  if (status.ok()) status = InstallFile(temporary, path);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return CannotRead(path, std::strerror(errno));
  struct stat info;
  if (fstat(file.get(), &info) != 0) return CannotRead(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return CannotRead(path, "is not a regular file");
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(path, std::strerror(errno));
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > kMaxSmallFileBytes) return CannotRead(path, "is longer than 1 MiB");
  }
}

std::optional<absl::StatusOr<FileWatch::Contents>> FileWatch::ReadChanged() {
  const auto read_all = [this]() -> absl::StatusOr<Contents> {
    Contents contents;
    for (const std::string& path : paths_) {
      MGRAL_ASSIGN_OR_RETURN(std::string content, ReadSmallFile(path));
      contents.push_back(std::move(content));
    }
    return contents;
  };
  absl::StatusOr<Contents> now = read_all();
  if (last_ && last_->status() == now.status() && (!now.ok() || **last_ == *now)) return {};
  last_ = now;
  return now;
}

}  // namespace mgral::base
