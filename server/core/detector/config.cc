#include "server/core/detector/config.h"

#include <cmath>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mgral::core {
namespace {

void Require(bool ok, const std::string& field, const std::string& rule) {
  if (!ok) throw std::invalid_argument(field + " must be " + rule);
}

bool InRange(double value, double low, double high) { return value >= low && value <= high; }

double ParseNumber(const std::string& key, const std::string& text) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != text.size()) {
    throw std::invalid_argument("detector configuration: " + key + "=" + text + " is not a number");
  }
  return value;
}

template <typename Value>
using Named = std::vector<std::pair<Value, const char*>>;

const Named<Architecture> kArchitectures = {{Architecture::kRetinaNet, "retinanet"},
                                            {Architecture::kFasterRcnn, "faster_rcnn"},
                                            {Architecture::kSsd300, "ssd300"}};
const Named<Trunk> kTrunks = {{Trunk::kResNet, "resnet"},
                              {Trunk::kEfficientNetLite0, "efficientnet_lite0"},
                              {Trunk::kMobileNetV3Large, "mobilenet_v3_large"},
                              {Trunk::kVgg16, "vgg16"}};
const Named<Resizing> kResizings = {{Resizing::kLongestSide, "longest_side"},
                                    {Resizing::kShortestSide, "shortest_side"},
                                    {Resizing::kSquare, "square"}};
constexpr int kSsdSize = 300;

template <typename Value>
std::string NameOf(const Named<Value>& names, Value value, const std::string& what) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  throw std::invalid_argument(what + " has no such value");
}

template <typename Value>
Value ValueNamed(const Named<Value>& names, const std::string& text, const std::string& what) {
  for (const auto& [value, name] : names) {
    if (text == name) return value;
  }
  throw std::invalid_argument("detector configuration: there is no " + what + " \"" + text + "\"");
}

}  // namespace

std::string ToString(Architecture architecture) {
  return NameOf(kArchitectures, architecture, "architecture");
}
std::string ToString(Trunk trunk) { return NameOf(kTrunks, trunk, "trunk"); }
std::string ToString(Resizing resizing) { return NameOf(kResizings, resizing, "resizing"); }

DetectorConfig TorchvisionConfig(Architecture architecture, int num_classes) {
  DetectorConfig config;
  config.architecture = architecture;
  config.num_classes = num_classes;
  config.resizing = Resizing::kShortestSide;
  if (architecture == Architecture::kFasterRcnn) {
    config.min_level = 2;
    config.max_level = 6;
    config.anchor_scale = 8;
    config.anchor_scales = 1;
  } else if (architecture == Architecture::kSsd300) {
    config.trunk = Trunk::kVgg16;
    config.resizing = Resizing::kSquare;
    config.input_size = kSsdSize;
  }
  return config;
}

PredictConfig DefaultPredictConfig(const DetectorConfig& config) {
  PredictConfig predict;
  if (config.resizing == Resizing::kLongestSide) return predict;
  if (config.architecture == Architecture::kRetinaNet) {
    predict.candidates_per_level = 1000;
    predict.max_detections = 300;
  } else if (config.architecture == Architecture::kSsd300) {
    predict.min_score = 0.01f;
    predict.nms_iou = 0.45f;
    predict.max_detections = 200;
  }
  return predict;
}

namespace {

void CheckArchitecture(const DetectorConfig& c) {
  const bool ssd = c.architecture == Architecture::kSsd300;
  Require((c.resizing == Resizing::kSquare) == ssd, "resizing",
          "square for ssd300, and only for it");
  if (ssd) {
    Require(c.input_size == kSsdSize, "input_size", "300 for ssd300");
    Require(c.trunk == Trunk::kVgg16, "trunk", "vgg16 for ssd300");
    Require(!c.frozen_trunk, "frozen_trunk", "off for ssd300");
  } else {
    Require(c.input_size >= 64 && c.input_size <= 4096 && c.input_size % 32 == 0, "input_size",
            "a multiple of 32 in [64, 4096]");
  }
  if (c.architecture == Architecture::kFasterRcnn) {
    Require(c.min_level == 2, "min_level", "2 for faster_rcnn");
    Require(c.max_level == 6, "max_level", "6 for faster_rcnn");
  }
  if (c.trained_last_stage) {
    Require(c.frozen_trunk, "frozen_trunk", "on where only the last stage is trained");
    Require(c.trunk != Trunk::kVgg16, "trunk", "another than vgg16, whose C5 has no weights");
  }
}

}  // namespace

void CheckConfig(const DetectorConfig& c) {
  Require(c.depth == 18 || c.depth == 34 || c.depth == 50 || c.depth == 101, "depth",
          "18, 34, 50 or 101");
  Require(InRange(c.width, 1.0 / 16, 1), "width", "in [1/16, 1]");
  CheckArchitecture(c);
  Require(InRange(c.norm_epsilon, 0, 0.01), "norm_epsilon", "in [0, 0.01]");
  Require(c.num_classes >= 1 && c.num_classes <= 10000, "num_classes", "in [1, 10000]");
  Require(c.pyramid_channels >= 8 && c.pyramid_channels <= 1024, "pyramid_channels",
          "in [8, 1024]");
  Require(c.head_convs >= 0 && c.head_convs <= 8, "head_convs", "in [0, 8]");
  Require(c.min_level == 2 || c.min_level == 3, "min_level", "2 or 3");
  Require(c.max_level >= 5 && c.max_level <= 7, "max_level", "5, 6 or 7");
  Require(InRange(c.anchor_scale, 0.5, 16), "anchor_scale", "in [0.5, 16]");
  Require(c.anchor_scales >= 1 && c.anchor_scales <= 8, "anchor_scales", "in [1, 8]");
  Require(!c.anchor_ratios.empty() && c.anchor_ratios.size() <= 8, "anchor_ratios",
          "1 to 8 numbers");
  for (double r : c.anchor_ratios) Require(InRange(r, 0.05, 20), "anchor_ratios", "in [0.05, 20]");
}

void CheckConfig(const TrainConfig& c) {
  Require(c.steps >= 1, "steps", "at least 1");
  Require(c.batch_size >= 1 && c.batch_size <= 1024, "batch_size", "in [1, 1024]");
  Require(c.shards >= 1 && c.shards <= c.batch_size, "shards", "in [1, batch_size]");
  Require(std::isfinite(c.learning_rate) && c.learning_rate > 0, "learning_rate", "positive");
  Require(c.trunk_rate > 0 && c.trunk_rate <= 1, "trunk_rate", "in (0, 1]");
  Require(c.sampled_anchors >= 2, "sampled_anchors", "at least 2");
  Require(c.sampled_proposals >= 2, "sampled_proposals", "at least 2");
  Require(c.warmup_steps >= 0, "warmup_steps", "at least 0");
  Require(InRange(c.final_learning_rate, 0, 1), "final_learning_rate", "in [0, 1]");
  Require(InRange(c.momentum, 0, 0.9999), "momentum", "in [0, 1)");
  Require(InRange(c.weight_decay, 0, 1), "weight_decay", "in [0, 1]");
  Require(c.gradient_clip >= 0, "gradient_clip", "at least 0");
  Require(InRange(c.ema_decay, 0, 0.999999), "ema_decay", "in [0, 1)");
  Require(InRange(c.focal_alpha, 0, 1), "focal_alpha", "in [0, 1]");
  Require(InRange(c.focal_gamma, 0, 10), "focal_gamma", "in [0, 10]");
  Require(InRange(c.class_balance, 0, 1), "class_balance", "in [0, 1]");
  Require(c.box_loss_weight >= 0, "box_loss_weight", "at least 0");
  Require(c.smooth_l1_beta > 0, "smooth_l1_beta", "positive");
  Require(InRange(c.positive_iou, 0.05, 1), "positive_iou", "in [0.05, 1]");
  Require(InRange(c.negative_iou, 0, c.positive_iou), "negative_iou", "in [0, positive_iou]");
  Require(InRange(c.scale_min, 0.1, c.scale_max), "scale_min", "in [0.1, scale_max]");
  Require(InRange(c.scale_max, 0.1, 10), "scale_max", "in [0.1, 10]");
  Require(InRange(c.brightness, 0, 0.9), "brightness", "in [0, 0.9]");
  Require(InRange(c.contrast, 0, 0.9), "contrast", "in [0, 0.9]");
  Require(InRange(c.saturation, 0, 0.9), "saturation", "in [0, 0.9]");
  Require(c.views >= 1 && c.views <= 64, "views", "in [1, 64]");
}

std::string ToString(const DetectorConfig& c) {
  std::ostringstream out;
  out.precision(10);
  // Unsaid where it was once the only way: weights and checkpoints keep the text that they had.
  if (c.architecture != Architecture::kRetinaNet) {
    out << "architecture=" << ToString(c.architecture) << " ";
  }
  if (c.trunk != Trunk::kResNet) out << "trunk=" << ToString(c.trunk) << " ";
  if (c.frozen_trunk) out << "frozen_trunk=1 ";
  if (c.trained_last_stage) out << "trained_last_stage=1 ";
  if (c.separable) out << "separable=1 ";
  if (c.norm_epsilon != 1e-5) out << "norm_epsilon=" << c.norm_epsilon << " ";
  if (c.resizing != Resizing::kLongestSide) out << "resizing=" << ToString(c.resizing) << " ";
  out << "depth=" << c.depth << " width=" << c.width << " input_size=" << c.input_size
      << " num_classes=" << c.num_classes << " pyramid_channels=" << c.pyramid_channels
      << " head_convs=" << c.head_convs << " head_norm=" << (c.head_norm ? 1 : 0)
      << " min_level=" << c.min_level << " max_level=" << c.max_level
      << " anchor_scale=" << c.anchor_scale << " anchor_scales=" << c.anchor_scales
      << " anchor_ratios=";
  for (size_t i = 0; i < c.anchor_ratios.size(); ++i) {
    out << (i > 0 ? "," : "") << c.anchor_ratios[i];
  }
  return out.str();
}

DetectorConfig ParseDetectorConfig(const std::string& text) {
  DetectorConfig c;
  const std::map<std::string, std::function<void(double)>> fields = {
      {"depth", [&](double v) { c.depth = static_cast<int>(v); }},
      {"width", [&](double v) { c.width = v; }},
      {"frozen_trunk", [&](double v) { c.frozen_trunk = v != 0; }},
      {"trained_last_stage", [&](double v) { c.trained_last_stage = v != 0; }},
      {"separable", [&](double v) { c.separable = v != 0; }},
      {"norm_epsilon", [&](double v) { c.norm_epsilon = v; }},
      {"input_size", [&](double v) { c.input_size = static_cast<int>(v); }},
      {"num_classes", [&](double v) { c.num_classes = static_cast<int>(v); }},
      {"pyramid_channels", [&](double v) { c.pyramid_channels = static_cast<int>(v); }},
      {"head_convs", [&](double v) { c.head_convs = static_cast<int>(v); }},
      {"head_norm", [&](double v) { c.head_norm = v != 0; }},
      {"min_level", [&](double v) { c.min_level = static_cast<int>(v); }},
      {"max_level", [&](double v) { c.max_level = static_cast<int>(v); }},
      {"anchor_scale", [&](double v) { c.anchor_scale = v; }},
      {"anchor_scales", [&](double v) { c.anchor_scales = static_cast<int>(v); }},
      {"anchor_ratios", [&](double v) { c.anchor_ratios.push_back(v); }}};
  const std::map<std::string, std::function<void(const std::string&)>> choices = {
      {"architecture",
       [&](const std::string& v) {
         c.architecture = ValueNamed(kArchitectures, v, "architecture");
       }},
      {"trunk", [&](const std::string& v) { c.trunk = ValueNamed(kTrunks, v, "trunk"); }},
      {"resizing",
       [&](const std::string& v) { c.resizing = ValueNamed(kResizings, v, "resizing"); }}};
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const auto choice = choices.find(key);
    if (choice != choices.end() && equals != std::string::npos) {
      choice->second(word.substr(equals + 1));
      continue;
    }
    const auto field = fields.find(key);
    if (equals == std::string::npos || field == fields.end()) {
      throw std::invalid_argument("detector configuration: unknown entry \"" + word + "\"");
    }
    if (key == "anchor_ratios") c.anchor_ratios.clear();
    std::istringstream values(word.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');) {
      const double number = ParseNumber(key, value);
      Require(std::abs(number) <= 1e6, key, "a number of usual size");
      field->second(number);
    }
  }
  CheckConfig(c);
  return c;
}

}  // namespace mgral::core
