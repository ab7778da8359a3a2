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
#include "server/domain/image_fault.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;
using domain::ImageFault;

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

// The place is at fault, not what the image holds.
absl::Status BadPath(const std::string& description) {
  return WithFault(InvalidField(kPathField, description), ImageFault::kMissing);
}

// Whether a disk or a network file system may work again.
bool MayPass(int error) {
  switch (error) {
    case EIO:
    case ESTALE:
    case EAGAIN:
    case EINTR:
    case ETIMEDOUT:
    case ENOTCONN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

absl::Status IoError(const std::string& what, int error) {
  return WithFault(InvalidField(kPathField, absl::StrCat(what, ": ", strerror(error))),
                   MayPass(error) ? ImageFault::kUnreachable : ImageFault::kMissing);
}

absl::Status CheckForm(const std::string& path) {
  if (path.empty()) return BadPath("is empty");
  if (path.find('\0') != std::string::npos) return BadPath("has a NUL character");
  if (path[0] == '/') {
    return BadPath("is absolute: give it relative to the server's image root");
  }
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  for (const std::string& part : parts) {
    if (part == "..") return BadPath("has \"..\": it may not leave the image root");
  }
  return absl::OkStatus();
}

absl::Status OpenError(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return BadPath(absl::StrCat("no such file below the image root: ", path));
  }
  if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    return base::Unavailable(absl::StrCat("cannot open ", path, ": ", strerror(error)),
                             absl::Seconds(1));
  }
  return IoError("cannot be opened", error);
}

absl::StatusOr<std::string> ReadAll(int fd, int64_t max_bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0) return IoError("cannot be read", errno);
  if (!S_ISREG(info.st_mode)) return BadPath("is not a regular file");
  if (info.st_size == 0) return InvalidField(kPathField, "is an empty file");
  if (info.st_size > max_bytes) {
    return InvalidField(kPathField, absl::StrCat("has ", info.st_size, " bytes; at most ",
                                                 max_bytes, " are allowed"));
  }
  std::string bytes(info.st_size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(fd, &bytes[done], bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError("cannot be read", errno);
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
    return WithFault(InvalidField(kPathField, "this server has no image root (option image_root)"),
                     ImageFault::kConfiguration);
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
    return BadPath("leaves the image root by a symbolic link");
  }
  struct stat info;
  if (fstat(found.get(), &info) != 0) return OpenError(path, errno);
  if (!S_ISREG(info.st_mode)) return BadPath("is not a regular file");
  const Descriptor file(open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return OpenError(path, errno);
  return ReadAll(file.get(), max_bytes_);
}

}  // namespace mgral::imaging
