#include "server/storage/disk_upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace mgral::storage {

// Not O_TMPFILE, which network file systems lack.
absl::StatusOr<std::unique_ptr<domain::Upload>> DiskUpload::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return base::FileError(errno, "cannot make a temporary file");
  std::unique_ptr<domain::Upload> upload(new DiskUpload(fd));
  if (unlink(path.c_str()) != 0) return base::FileError(errno, "cannot unlink a temporary file");
  return upload;
}

absl::Status DiskUpload::Append(absl::string_view bytes) {
  hash_.Add(bytes.data(), bytes.size());
  return base::WriteAll(file_.get(), bytes, "the file that is sent");
}

std::string DiskUpload::path() const { return absl::StrCat("/proc/self/fd/", file_.get()); }

}  // namespace mgral::storage
