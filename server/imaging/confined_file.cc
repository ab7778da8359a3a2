#include "server/imaging/confined_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr char kPathField[] = "source.path";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string Resolve(const std::string& root) {
  std::unique_ptr<char, decltype(&free)> resolved(realpath(root.c_str(), nullptr), &free);
  if (!resolved) return "";
  std::string text(resolved.get());
  return absl::EndsWith(text, "/") ? text : text + "/";
}

absl::Status CheckForm(const std::string& path) {
  if (path.empty()) return InvalidField(kPathField, "is empty");
  if (path.find('\0') != std::string::npos) return InvalidField(kPathField, "has a NUL character");
  if (path[0] == '/') {
    return InvalidField(kPathField, "is absolute: give it relative to the server's image root");
  }
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  for (const std::string& part : parts) {
    if (part == "..")
      return InvalidField(kPathField, "has \"..\": it may not leave the image root");
  }
  return absl::OkStatus();
}

absl::Status OpenError(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return InvalidField(kPathField, absl::StrCat("no such file below the image root: ", path));
  }
  if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    return base::Unavailable(absl::StrCat("cannot open ", path, ": ", strerror(error)),
                             absl::Seconds(1));
  }
  return InvalidField(kPathField, absl::StrCat("cannot be opened: ", strerror(error)));
}

absl::StatusOr<std::string> ReadAll(int fd, int64_t max_bytes, const std::string& field) {
  struct stat info;
  if (fstat(fd, &info) != 0) return InvalidField(field, strerror(errno));
  if (!S_ISREG(info.st_mode)) return InvalidField(field, "is not a regular file");
  if (info.st_size == 0) return InvalidField(field, "is an empty file");
  if (info.st_size > max_bytes) {
    return InvalidField(
        field, absl::StrCat("has ", info.st_size, " bytes; at most ", max_bytes, " are allowed"));
  }
  std::string bytes(info.st_size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(fd, &bytes[done], bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return InvalidField(field, absl::StrCat("cannot be read: ", strerror(errno)));
    if (got == 0) break;
    done += got;
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

ConfinedFiles::ConfinedFiles(const std::string& root, int64_t max_bytes)
    : root_(root.empty() ? "" : Resolve(root)), max_bytes_(max_bytes) {}

absl::StatusOr<std::string> ConfinedFiles::Read(const std::string& path) const {
  MGRAL_RETURN_IF_ERROR(CheckForm(path));
  if (root_.empty()) {
    return InvalidField(kPathField, "this server has no image root (option image_root)");
  }
  // O_PATH touches nothing (no device, no waiting pipe); what it found is then judged by its real
  // name, so that no link can be swapped between the check and the reading.
  const Descriptor found(open((root_ + path).c_str(), O_PATH | O_CLOEXEC));
  if (!found.ok()) return OpenError(path, errno);
  const std::string self = absl::StrCat("/proc/self/fd/", found.get());
  char real[PATH_MAX];
  const ssize_t length = readlink(self.c_str(), real, sizeof(real));
  if (length < 0 || static_cast<size_t>(length) >= sizeof(real) ||
      !absl::StartsWith(absl::string_view(real, length), root_)) {
    return InvalidField(kPathField, "leaves the image root by a symbolic link");
  }
  struct stat info;
  if (fstat(found.get(), &info) != 0) return OpenError(path, errno);
  if (!S_ISREG(info.st_mode)) return InvalidField(kPathField, "is not a regular file");
  const Descriptor file(open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return OpenError(path, errno);
  return ReadAll(file.get(), max_bytes_, kPathField);
}

}  // namespace mgral::imaging
