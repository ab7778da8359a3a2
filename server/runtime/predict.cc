#include "server/core/detector/predict.h"

#include "absl/strings/str_cat.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/image_cache.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using Predictions = domain::ModelRuntime::Predictions;

// Decoding happens in the caller's thread, so that the device thread does nothing else meanwhile.
absl::StatusOr<std::vector<Predictions>> PredictImages(
    const core::Detector& detector, const std::vector<absl::StatusOr<domain::Pixels>>& decoded,
    double min_score) {
  std::vector<Predictions> results(decoded.size());
  std::vector<at::Tensor> tensors;
  std::vector<size_t> sound;
  for (size_t i = 0; i < decoded.size(); ++i) {
    if (!decoded[i].ok()) {
      results[i].error = std::string(decoded[i].status().message());
      continue;
    }
    tensors.push_back(ToTensor(*decoded[i]).pixels);
    sound.push_back(i);
  }
  core::PredictConfig config;
  if (min_score > 0) config.min_score = static_cast<float>(min_score);
  const auto found = core::Predict(detector, tensors, config);
  for (size_t i = 0; i < sound.size(); ++i) {
    const domain::Pixels& pixels = *decoded[sound[i]];
    Predictions& out = results[sound[i]];
    out.width = pixels.original_width;
    out.height = pixels.original_height;
    out.boxes = ToBoxes(found[i], pixels.width, pixels.height, out.width, out.height);
  }
  return results;
}

}  // namespace

absl::StatusOr<std::vector<Predictions>> TorchRuntime::Predict(
    const std::string& weights_path, const std::vector<domain::Image>& images,
    const std::vector<std::string>& bytes, double min_score) {
  return Guarded([&]() -> absl::StatusOr<std::vector<Predictions>> {
    const std::shared_ptr<const core::Detector> detector = models_->Get(weights_path);
    const int side = detector->config().input_size;
    std::vector<absl::StatusOr<domain::Pixels>> decoded;
    for (size_t i = 0; i < images.size(); ++i) {
      const bool given = images[i].source.location.empty();
      if (given && i >= bytes.size()) {
        return absl::InvalidArgumentError(absl::StrCat("images[", i, "] has no source"));
      }
      decoded.push_back(given ? loader_->LoadBytes(bytes[i], side)
                              : loader_->Load(images[i].source, side));
    }
    return predictions_->Run([&] { return PredictImages(*detector, decoded, min_score); });
  });
}

}  // namespace mgral::runtime
