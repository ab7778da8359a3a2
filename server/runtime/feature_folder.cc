#include "server/runtime/feature_folder.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/files.h"
#include "server/runtime/digest.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[] = "mgral features 1\n";
constexpr size_t kMagicSize = sizeof(kMagic) - 1;
constexpr size_t kDigestSize = 64;
constexpr int64_t kMaxLevels = 8, kMaxSide = 4096;
constexpr absl::Duration kTouchAfter = absl::Hours(1);  // a file's time is no finer than that
constexpr double kKeptShare = 0.9;

// Magic, number of levels, of each its three sizes, of each its elements, digest of all before.
std::string Encode(const core::ViewFeatures& features) {
  std::string bytes(kMagic, kMagicSize);
  const auto append = [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  const int64_t levels = static_cast<int64_t>(features.size());
  append(&levels, sizeof(levels));
  for (const at::Tensor& level : features) append(level.sizes().data(), 3 * sizeof(int64_t));
  for (const at::Tensor& level : features) append(level.data_ptr(), level.nbytes());
  return bytes + Digest().Add(bytes).Hex();
}

// Empty for anything that Encode did not write.
core::ViewFeatures Decode(absl::string_view bytes) {
  if (bytes.size() < kMagicSize + sizeof(int64_t) + kDigestSize) return {};
  const absl::string_view content = bytes.substr(0, bytes.size() - kDigestSize);
  if (content.substr(0, kMagicSize) != kMagic ||
      Digest().Add(content).Hex() != bytes.substr(content.size())) {
    return {};
  }
  size_t at = kMagicSize;
  const auto number = [&]() -> int64_t {
    if (content.size() - at < sizeof(int64_t)) return -1;
    int64_t value;
    std::memcpy(&value, content.data() + at, sizeof(value));
    at += sizeof(value);
    return value;
  };
  const int64_t levels = number();
  if (levels < 1 || levels > kMaxLevels) return {};
  std::vector<std::vector<int64_t>> shapes;
  for (int64_t i = 0; i < levels; ++i) shapes.push_back({number(), number(), number()});
  core::ViewFeatures features;
  for (const std::vector<int64_t>& shape : shapes) {
    for (int64_t side : shape) {
      if (side < 1 || side > kMaxSide) return {};
    }
    at::Tensor level = at::empty(shape, at::kHalf);
    if (content.size() - at < level.nbytes()) return {};
    std::memcpy(level.data_ptr(), content.data() + at, level.nbytes());
    at += level.nbytes();
    features.push_back(level);
  }
  return at == content.size() ? features : core::ViewFeatures();
}

struct KeptFile {
  absl::Time modified;
  int64_t bytes;
  std::string path;
};

std::vector<KeptFile> ListFiles(const std::string& folder) {
  std::vector<KeptFile> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    struct stat info;
    if (lstat(entry->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    files.push_back({absl::TimeFromTimespec(info.st_mtim), info.st_size, entry->path().string()});
  }
  return files;
}

}  // namespace

class FeatureFolder::View : public core::FeatureCache {
 public:
  View(FeatureFolder* folder, std::string trunk, Room room)
      : folder_(folder), trunk_(std::move(trunk)), room_(room) {}

  core::ViewFeatures Find(const std::string& content, const std::string& view) override {
    const std::string key = KeyOf(content, view);
    core::ViewFeatures features = folder_->memory_.Find(key, "");
    if (!features.empty()) return features;
    features = folder_->Read(key);
    if (!features.empty()) folder_->memory_.Keep(key, "", features);
    return features;
  }

  void Keep(const std::string& content, const std::string& view,
            const core::ViewFeatures& features) override {
    const std::string key = KeyOf(content, view);
    if (room_ == Room::kMake) folder_->memory_.Keep(key, "", features);
    folder_->Write(key, features, room_);
  }

 private:
  std::string KeyOf(const std::string& content, const std::string& view) const {
    return Digest().Add(trunk_).Add(content).Add(view).Hex();
  }

  FeatureFolder* folder_;
  const std::string trunk_;
  const Room room_;
};

FeatureFolder::FeatureFolder(std::string path, int64_t max_bytes, int64_t max_memory_bytes)
    : path_(std::move(path)),
      max_bytes_(path_.empty() ? 0 : max_bytes),
      memory_(max_memory_bytes) {}

std::unique_ptr<core::FeatureCache> FeatureFolder::Of(const core::Detector& detector, Room room) {
  return std::make_unique<View>(this, TrunkDigest(detector), room);
}

std::string FeatureFolder::PathOf(const std::string& key) const {
  return absl::StrCat(path_, "/", key.substr(0, 2), "/", key);
}

core::ViewFeatures FeatureFolder::Read(const std::string& key) {
  if (max_bytes_ == 0) return {};
  const std::string path = PathOf(key);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::string bytes(static_cast<size_t>(std::max<std::streamoff>(0, file.tellg())), '\0');
  file.seekg(0).read(&bytes[0], static_cast<std::streamsize>(bytes.size()));
  core::ViewFeatures features = file ? Decode(bytes) : core::ViewFeatures();
  if (features.empty()) {
    unlink(path.c_str());  // damaged: it is computed and kept anew
    return {};
  }
  struct stat info;
  if (stat(path.c_str(), &info) == 0 &&
      absl::TimeFromTimespec(info.st_mtim) + kTouchAfter < absl::Now()) {
    utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  }
  return features;
}

void FeatureFolder::Write(const std::string& key, const core::ViewFeatures& features, Room room) {
  if (max_bytes_ == 0) return;
  const std::string bytes = Encode(features), path = PathOf(key);
  const int64_t size = static_cast<int64_t>(bytes.size());
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes_ < 0) {
      bytes_ = 0;
      for (const KeptFile& file : ListFiles(path_)) bytes_ += file.bytes;
    }
    if (bytes_ + size > max_bytes_) {
      if (room == Room::kLeave || size > max_bytes_) return;
      MakeRoom();
    }
    bytes_ += size;
  }
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  // Without fsync, unlike artifacts: a file that a power loss damages is noticed and made anew.
  const std::string temporary =
      absl::StrCat(path, ".", getpid(), ".", reinterpret_cast<uintptr_t>(&bytes), ".tmp");
  const base::Descriptor file(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (file.get() < 0) return;
  if (!base::WriteAll(file.get(), bytes, temporary).ok() ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
  }
}

void FeatureFolder::MakeRoom() {
  std::vector<KeptFile> files = ListFiles(path_);
  std::sort(files.begin(), files.end(),
            [](const KeptFile& a, const KeptFile& b) { return a.modified < b.modified; });
  bytes_ = 0;
  for (const KeptFile& file : files) bytes_ += file.bytes;
  const int64_t limit = static_cast<int64_t>(kKeptShare * static_cast<double>(max_bytes_));
  for (const KeptFile& file : files) {
    if (bytes_ <= limit) return;
    if (unlink(file.path.c_str()) == 0) bytes_ -= file.bytes;
  }
}

}  // namespace mgral::runtime
