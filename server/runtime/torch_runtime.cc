#include "server/runtime/torch_runtime.h"

#include <algorithm>
#include <thread>

#include "server/base/errors.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/openblas.h"
#include "server/core/detector/profile.h"
#include "server/core/detector/readout.h"
#include "server/domain/image_fault.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/image_cache.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/workplace.h"

namespace mgral::runtime {
namespace {

constexpr int kReplayProbes = 96;  // of a cycle; a second or two each base of sixteen

}  // namespace

absl::StatusOr<std::string> TorchRuntime::ResolveDevice(const std::string& name) {
  return Guarded([&]() -> absl::StatusOr<std::string> { return core::DeviceNamed(name).str(); });
}

absl::Status TorchRuntime::CheckTrunkWeights(const std::string& path) {
  const absl::Status read = Guarded([&]() -> absl::Status {
    return PretrainedTrunk(path).exists() ? absl::OkStatus() : absl::NotFoundError(path);
  });
  return read.ok() ? read : absl::InvalidArgumentError(read.message());
}

TorchRuntime::TorchRuntime(const RuntimeOptions& options, domain::ImageLoader* loader)
    : loader_(loader),
      trunk_(options.trunk_weights.empty()
                 ? std::make_unique<PretrainedTrunk>()
                 : std::make_unique<PretrainedTrunk>(options.trunk_weights)),
      images_(std::make_unique<ImageCache>(loader, options.cache_bytes)),
      features_(std::make_unique<FeatureFolder>(options.feature_folder, options.feature_bytes,
                                                options.cache_bytes)),
      models_(std::make_unique<ModelCache>(core::DeviceNamed(options.device))),
      tables_(std::make_unique<TableCache>()),
      device_(std::make_unique<DeviceExecutor>(
          options.threads > 0 ? options.threads
                              : std::max(1, static_cast<int>(std::thread::hardware_concurrency())),
          core::DeviceNamed(options.device))),
      predictions_(std::make_unique<DeviceExecutor>(1)) {
  core::TuneOpenBlas();
}

TorchRuntime::~TorchRuntime() = default;

Workplace TorchRuntime::workplace() const {
  return {device_->device(), images_.get(), features_.get(), trunk_.get()};
}

std::string TorchRuntime::DefaultProfile() { return trunk_->exists() ? "frozen" : "tiny"; }

absl::StatusOr<domain::DetectorRuntime::ProfileInfo> TorchRuntime::Profile(
    const domain::DetectorSettings& settings) {
  const std::string& name = settings.profile;
  return Guarded([&]() -> absl::StatusOr<ProfileInfo> {
    const std::vector<std::string> names = core::ProfileNames();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      std::string known;
      for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
      return base::InvalidField("detector.profile", "is unknown: use one of " + known);
    }
    const core::DetectorProfile profile = core::MakeProfile(name, 1);
    if (profile.detector.frozen_trunk && !trunk_->exists()) {
      return base::InvalidField("detector.profile",
                                "needs pretrained weights, and this server has none (its option "
                                "trunk_weights); use tiny");
    }
    try {
      MakeRecipe(settings, 1, 1, 0);
    } catch (const std::invalid_argument& error) {  // "input_size must be ..."
      const std::string message = error.what();
      const size_t end = std::min(message.find(' '), message.size() - 1);
      return base::InvalidField("detector." + message.substr(0, end), message.substr(end + 1));
    }
    return ProfileInfo{profile.detector.input_size,
                       core::HasReadout(profile.detector) ? kReplayProbes : 0};
  });
}

absl::StatusOr<domain::ImageHeader> TorchRuntime::Prepare(const domain::CallContext& call,
                                                          const domain::DetectorSettings& detector,
                                                          const domain::ImageSource& source) {
  const absl::StatusOr<int64_t> side = Guarded([&]() -> absl::StatusOr<int64_t> {
    return MakeRecipe(detector, 1, 1, 0).detector.longest_side();
  });
  if (!side.ok()) return WithFault(side.status(), domain::ImageFault::kNone);
  return Guarded([&]() -> absl::StatusOr<domain::ImageHeader> {
    const absl::StatusOr<CachedImage> image =
        images_->Reload(call, source, static_cast<int>(*side));
    if (!image.ok()) return image.status();
    return domain::ImageHeader{image->original_width, image->original_height};
  });
}

}  // namespace mgral::runtime
