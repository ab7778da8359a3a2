#include "server/main/part_options.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace mgral::server {

int OnePerCore(int asked) {
  return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

imaging::ImagingOptions ToImaging(const Options& options) {
  imaging::ImagingOptions imaging;
  imaging.image_root = options.image_root;
  imaging.uri_prefixes = options.uri_prefixes;
  imaging.max_bytes = options.max_image_bytes;
  imaging.max_pixels = options.max_image_pixels;
  imaging.decoders = OnePerCore(options.decoders);
  return imaging;
}

runtime::RuntimeOptions ToRuntime(const Options& options) {
  runtime::RuntimeOptions runtime;
  runtime.threads = OnePerCore(options.threads);
  runtime.cache_bytes = options.cache_mb << 20;
  runtime.device = options.device;
  runtime.trunk_weights = options.trunk_weights;
  runtime.feature_folder = absl::StrCat(options.artifact_dir, "/features");
  runtime.feature_bytes = options.feature_cache_mb << 20;
  return runtime;
}

absl::Status CheckImageRoot(const std::string& root) {
  struct stat info;
  if (root.empty()) return absl::OkStatus();
  if (stat(root.c_str(), &info) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("image_root ", root, ": ", strerror(errno)));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("image_root ", root, " is not a folder"));
  }
  if (access(root.c_str(), R_OK | X_OK) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("image_root ", root, " cannot be read by this user"));
  }
  return absl::OkStatus();
}

absl::Status CheckTrunkWeights(const std::string& path) {
  if (path.empty()) {
    spdlog::warn("no pretrained weights (trunk_weights): detectors train from scratch");
    return absl::OkStatus();
  }
  const absl::Status trunk = runtime::TorchRuntime::CheckTrunkWeights(path);
  if (trunk.ok()) return trunk;
  return absl::InvalidArgumentError(absl::StrCat("trunk_weights: ", trunk.message()));
}

}  // namespace mgral::server
