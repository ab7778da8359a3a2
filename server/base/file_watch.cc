#include "server/base/file_watch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mgral::base {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

absl::StatusOr<FileWatch::Contents> ReadAll(const std::vector<std::string>& paths) {
  FileWatch::Contents contents;
  for (const std::string& path : paths) {
    absl::StatusOr<std::string> content = ReadSmallFile(path);
    if (!content.ok()) return content.status();
    contents.push_back(*std::move(content));
  }
  return contents;
}

absl::Status CannotRead(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

absl::StatusOr<std::string> ReadDescriptor(int fd, const std::string& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) return CannotRead(path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return CannotRead(path, "is no file");
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(path, strerror(errno));
    if (got == 0) return content;
    content.append(buffer, got);
    if (content.size() > kMaxBytes) return CannotRead(path, "is longer than 1 MiB");
  }
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for somebody who writes to it.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, strerror(errno));
  auto content = ReadDescriptor(fd, path);
  close(fd);
  return content;
}

std::optional<absl::StatusOr<FileWatch::Contents>> FileWatch::ReadChanged() {
  absl::StatusOr<Contents> now = ReadAll(paths_);
  if (last_ && last_->status() == now.status() && (!now.ok() || **last_ == *now)) return {};
  last_ = now;
  return now;
}

}  // namespace mgral::base
