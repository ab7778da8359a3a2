#include <algorithm>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <string>

#include "server/base/errors.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/network.h"
#include "server/core/weights/class_rows.h"
#include "server/core/weights/match_state.h"
#include "server/core/weights/read_tensors.h"
#include "server/core/weights/tensor_names.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/pretrained_trunk.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using ImportReport = domain::DetectorRuntime::ImportReport;
using ImportRequest = domain::DetectorRuntime::ImportRequest;

// Tensors may share elements, so that a file of few bytes could announce many; tied weights are
// there twice.
core::TensorLimits LimitsOf(uint64_t file_bytes) {
  core::TensorLimits limits;
  limits.max_file_bytes = file_bytes;
  limits.max_tensor_bytes = 2 * file_bytes;
  return limits;
}

// What the readers say of a file, without its name, which is none of the caller's.
absl::Status Refused(const std::string& path, const std::exception& error) {
  const std::string message = error.what(), prefix = core::FileName(path) + ": ";
  const bool named = message.compare(0, prefix.size(), prefix) == 0;
  return base::InvalidField("data", named ? message.substr(prefix.size()) : message);
}

// A detector that torchvision trained on COCO has norms that never moved, so that nobody counted
// batches, and that add nothing to the variance.
bool HasFrozenNorms(const core::StateMatch& match, const core::NamedTensors& file) {
  return match.file_classes > 0 && std::none_of(file.begin(), file.end(), [](const auto& tensor) {
           return core::IsBatchCounter(tensor.first);
         });
}

core::MatchOptions OptionsOf(const ImportRequest& request, const core::Detector& detector) {
  const core::DetectorConfig& config = detector.config();
  core::MatchOptions options;
  options.num_classes = request.num_classes;
  options.class_sources = request.class_labels;
  if (config.frozen_trunk) {
    for (const auto& [name, tensor] : detector.net().FeatureState()) {
      options.fixed_trunk.insert(name);
    }
  }
  core::DetectorConfig larger = config;
  ++larger.num_classes;
  options.class_rows = core::FindClassRows(detector.net().State(), config.num_classes,
                                           core::Detector(larger, request.seed).net().State());
  return options;
}

absl::StatusOr<ImportReport> ImportFile(const ImportRequest& request,
                                        const PretrainedTrunk& trunk) {
  core::DetectorConfig config =
      MakeRecipe(request.detector, request.num_classes, 0, request.seed).detector;
  if (config.frozen_trunk && !trunk.exists()) {
    return base::FailedPrecondition(
        "NO_TRUNK_WEIGHTS", "this server was started without pretrained weights (trunk_weights)");
  }
  core::Detector detector(config, request.seed);
  if (config.frozen_trunk) trunk.PutInto(&detector);
  const core::MatchOptions options = OptionsOf(request, detector);
  core::StateMatch match;
  try {
    const uint64_t bytes = std::filesystem::file_size(request.path);
    if (bytes == 0) return base::InvalidField("data", "is empty");
    const core::NamedTensors file = core::ReadTensors(request.path, LimitsOf(bytes));
    match = core::MatchState(detector.net().State(), file, options);
    const bool torchvisions =
        config.resizing != core::Resizing::kLongestSide && config.trunk == core::Trunk::kResNet;
    if (torchvisions && HasFrozenNorms(match, file)) {
      config.norm_epsilon = 0;
      detector = core::Detector(config, request.seed);
    }
  } catch (const core::ClassMismatch& error) {
    return base::InvalidField("class_labels", error.what());
  } catch (const std::invalid_argument& error) {
    return Refused(request.path, error);
  } catch (const std::runtime_error& error) {
    return Refused(request.path, error);
  }
  detector.net().SetState(match.state);
  detector.Save(request.weights_path);
  return ImportReport{detector.NumParameters(), match.taken,        std::move(match.left),
                      std::move(match.unused),  match.file_classes, match.classes_taken};
}

}  // namespace

absl::StatusOr<ImportReport> TorchRuntime::Import(const ImportRequest& request) {
  return Guarded([&] {
    std::lock_guard<std::mutex> lock(moving_);
    return ImportFile(request, *trunk_);
  });
}

}  // namespace mgral::runtime
