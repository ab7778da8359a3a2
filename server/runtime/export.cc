#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/network.h"
#include "server/core/detector/preprocess.h"
#include "server/core/weights/safetensors.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json Architecture(const core::DetectorConfig& config) {
  Json json = {{"type", core::ToString(config.architecture)},
               {"trunk", core::ToString(config.trunk)}};
  if (config.trunk == core::Trunk::kResNet) {
    json["depth"] = config.depth;
    json["width"] = config.width;
    if (config.norm_epsilon != core::DetectorConfig().norm_epsilon) {
      json["norm_epsilon"] = config.norm_epsilon;
    }
  } else if (config.trunk == core::Trunk::kVgg16) {
    json["width"] = config.width;
  } else if (config.trunk == core::Trunk::kEfficientNetLite0) {
    // The network's input is normalized as for every trunk; this one then brings it to its own.
    json["trunk_mean"] = core::kLitePixelMean;
    json["trunk_std"] = core::kLitePixelScale;
  }
  json["num_classes"] = config.num_classes;
  if (config.architecture == core::Architecture::kSsd300) return json;
  json["pyramid_channels"] = config.pyramid_channels;
  json["min_level"] = config.min_level;
  json["max_level"] = config.max_level;
  json["head_convs"] = config.head_convs;
  json["head_norm"] = config.head_norm;
  json["separable"] = config.separable;
  // What is between the trunk and the rest is rounded so: the features that are kept of a frozen
  // trunk, and that the rest was trained on, are.
  if (config.frozen_trunk) json["trunk_features"] = "float16";
  return json;
}

Json Input(const core::DetectorConfig& config) {
  if (config.resizing != core::Resizing::kLongestSide) {
    return {
        {"size", config.input_size},
        {"longest_side", config.longest_side()},
        {"resizing", core::ToString(config.resizing)},
        {"multiple_of", config.resizing == core::Resizing::kSquare ? 1 : 32},
        {"channels", "RGB"},
        {"value_range", {0, 255}},
        {"mean", core::PixelMean()},
        {"std", core::PixelDeviation()},
        {"rule", "As torchvision's detector of this type; SSD's own mean is applied after this."}};
  }
  return {
      {"size", config.input_size},
      {"multiple_of", 32},
      {"channels", "RGB"},
      {"value_range", {0, 255}},
      {"mean", core::PixelMean()},
      {"std", core::PixelDeviation()},
      {"letterbox",
       "An image of a longer side is reduced to `size` by area averaging, in whole 8-bit values; "
       "a smaller one is enlarged to it bilinearly (sides rounded to whole pixels, at least 1). "
       "The normalized image is placed at the top left of a canvas of zeros, whose sides are the "
       "smallest multiples of `multiple_of` that hold it."}};
}

Json Anchors(const core::DetectorConfig& config) {
  if (config.architecture == core::Architecture::kSsd300) {
    return {{"rule", "The default boxes of torchvision's ssd300_vgg16."}};
  }
  Json levels = Json::array();
  for (int level = config.min_level; level <= config.max_level; ++level) {
    const int stride = 1 << level;
    levels.push_back(
        {{"level", level}, {"stride", stride}, {"base_size", config.anchor_scale * stride}});
  }
  return {
      {"levels", levels},
      {"scales_per_octave", config.anchor_scales},
      {"aspect_ratios", config.anchor_ratios},
      {"order", {"level", "row", "column", "aspect_ratio", "scale"}},
      {"rule",
       "Centered at (column * stride, row * stride), of area (base_size * 2^(scale / "
       "scales_per_octave))^2 and height / width = aspect_ratio; sizes cut to whole pixels, half "
       "extents rounded, as torchvision's AnchorGenerator does."}};
}

Json Boxes(const core::DetectorConfig& config) {
  const bool plain = config.architecture == core::Architecture::kRetinaNet;
  return {{"coding", {"dx", "dy", "dw", "dh"}},
          {"weights", plain ? Json{1, 1, 1, 1} : Json{10, 10, 5, 5}},
          {"max_log_size", std::log(1000.0 / 16)}};
}

Json Postprocessing(const core::DetectorConfig& detector) {
  const core::PredictConfig config = core::DefaultPredictConfig(detector);
  const bool plain = detector.architecture == core::Architecture::kRetinaNet;
  // A float's nearest double would have digits that nobody wrote.
  const auto rounded = [](float value) { return std::round(value * 1e6) / 1e6; };
  return {{"scores", plain ? "sigmoid" : "softmax"},
          {"min_score", rounded(config.min_score)},
          {"candidates_per_level", config.candidates_per_level},
          {"nms", "class by class"},
          {"nms_iou", rounded(config.nms_iou)},
          {"max_detections", config.max_detections}};
}

}  // namespace

absl::StatusOr<std::string> TorchRuntime::Export(const std::string& weights_path,
                                                 const std::map<std::string, std::string>& metadata,
                                                 const std::string& path) {
  return Guarded([&]() -> absl::StatusOr<std::string> {
    std::lock_guard<std::mutex> lock(moving_);
    const core::Detector detector = core::Detector::Load(weights_path);
    core::WriteSafetensors(path, {detector.net().State(), metadata});
    const core::DetectorConfig& config = detector.config();
    return Json{{"architecture", Architecture(config)},
                {"input", Input(config)},
                {"anchors", Anchors(config)},
                {"boxes", Boxes(config)},
                {"postprocessing", Postprocessing(config)}}
        .dump();
  });
}

}  // namespace mgral::runtime
