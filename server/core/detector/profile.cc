#include "server/core/detector/profile.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr double kReferenceImages = 100;  // TrainConfig::steps are for that many

// Views that a frozen trunk sees of all labeled images together. Many images need fewer of each,
// and their features take 0.3 MB a view.
constexpr int64_t kMostViews = 2048;

struct NamedTrunk {
  const char* name;  // torchvision's
  Trunk trunk;
  int depth;  // of a ResNet
};
constexpr NamedTrunk kNamedTrunks[] = {{"resnet18", Trunk::kResNet, 18},
                                       {"resnet34", Trunk::kResNet, 34},
                                       {"resnet50", Trunk::kResNet, 50},
                                       {"resnet101", Trunk::kResNet, 101},
                                       {"mobilenet_v3_large", Trunk::kMobileNetV3Large, 0},
                                       {"vgg16", Trunk::kVgg16, 0}};

void ReplaceTrunk(const std::string& name, DetectorConfig* config) {
  const bool fixed = config->architecture == Architecture::kSsd300;
  if (fixed || config->frozen_trunk || config->width != 1) {
    throw std::invalid_argument("trunk cannot be chosen with this profile");
  }
  std::string known;
  for (const NamedTrunk& one : kNamedTrunks) {
    known += (known.empty() ? "" : ", ") + std::string(one.name);
    if (name != one.name) continue;
    config->trunk = one.trunk;
    if (one.depth > 0) config->depth = one.depth;
    return;
  }
  throw std::invalid_argument("trunk is unknown: use one of " + known);
}

// What all recipes share.
DetectorProfile EmptyProfile(const std::string& name, int num_classes) {
  DetectorProfile p;
  p.name = name;
  p.detector.num_classes = num_classes;
  return p;
}

DetectorProfile OnGpu(const std::string& name, int num_classes, int depth, int input_size) {
  DetectorProfile p = EmptyProfile(name, num_classes);
  p.detector.depth = depth;
  p.detector.input_size = input_size;
  p.train.steps = 4000;
  p.train.batch_size = 16;
  p.train.learning_rate = 0.01;
  p.train.warmup_steps = 500;
  return p;
}

// torchvision's detectors, with the settings that it trains them with. Norms keep their statistics:
// training should begin with imported weights.
DetectorProfile Torchvision(const std::string& name, int num_classes, Architecture architecture) {
  DetectorProfile p = OnGpu(name, num_classes, 50, 800);
  p.detector = TorchvisionConfig(architecture, num_classes);
  p.predict = DefaultPredictConfig(p.detector);
  p.train.batch_size = 8;
  p.train.train_batch_norm = false;
  p.train.nesterov = false;
  if (architecture == Architecture::kFasterRcnn) {
    p.train.positive_iou = 0.7;
    p.train.negative_iou = 0.3;
  } else if (architecture == Architecture::kSsd300) {
    p.train.batch_size = 32;
    p.train.learning_rate = 0.002;
    p.train.negative_iou = p.train.positive_iou;
  }
  return p;
}

}  // namespace

int64_t DetectorProfile::StepsFor(int64_t labeled_images) const {
  const double share =
      std::clamp(std::sqrt(std::max<int64_t>(1, labeled_images) / kReferenceImages), 0.5, 4.0);
  return std::max<int64_t>(1, std::llround(train.steps * share));
}

// Measured with bench/detector_train.cc. From scratch in a minute: small minibatches make many
// steps, norms in the heads allow the high learning rate, and without class balance a class with
// one small object per image is not found at all in that time.
DetectorProfile TinyProfile(int num_classes) {
  DetectorProfile p = EmptyProfile("tiny", num_classes);
  p.detector.depth = 18;
  p.detector.width = 0.25;
  p.detector.input_size = 224;
  p.detector.pyramid_channels = 64;
  p.detector.head_convs = 1;
  p.detector.head_norm = true;
  p.detector.max_level = 6;
  p.detector.anchor_scale = 2.5;
  p.train.steps = 550;
  p.train.batch_size = 4;
  p.train.shards = 2;
  p.train.learning_rate = 0.04;
  p.train.warmup_steps = 40;
  p.train.focal_alpha = 0.5;
  p.train.focal_gamma = 1.5;
  p.train.class_balance = 0.5;
  p.train.box_loss_weight = 0.5;
  p.train.smooth_l1_beta = 0.3;
  p.train.brightness = p.train.contrast = p.train.saturation = 0.1;
  return p;
}

// Measured with bench/detector_train.cc on parts of the development pools. Eight views an image
// instead of two give six points of AP where objects are small and many (aquarium); of the rest of
// what was tried (docs/benchmarks.md) nothing gave more than it cost.
DetectorProfile FrozenProfile(int num_classes) {
  DetectorProfile p = EmptyProfile("frozen", num_classes);
  p.detector.trunk = Trunk::kEfficientNetLite0;
  p.detector.frozen_trunk = true;
  p.detector.separable = true;
  p.detector.input_size = 320;
  p.detector.pyramid_channels = 64;
  p.detector.head_convs = 2;
  p.detector.head_norm = true;
  p.detector.max_level = 6;
  p.detector.anchor_scale = 4;
  p.detector.anchor_scales = 1;
  p.detector.anchor_ratios = {1};
  p.train.steps = 600;
  p.train.batch_size = 8;
  p.train.shards = 2;
  p.train.optimizer = OptimizerKind::kAdamW;
  p.train.learning_rate = 0.008;
  p.train.warmup_steps = 60;
  p.train.weight_decay = 0.01;
  p.train.assignment = Assignment::kAdaptive;
  p.train.box_loss = BoxLoss::kGeneralizedIou;
  p.train.views = 8;
  p.train.brightness = p.train.contrast = p.train.saturation = 0;
  return p;
}

// `frozen` whose trunk's last stage, most of its weights, is trained from C4, which is cached.
// Costs a forward and backward pass of that stage, at stride 32, in every step.
DetectorProfile LastStageProfile(int num_classes) {
  DetectorProfile p = FrozenProfile(num_classes);
  p.name = "last-stage";
  p.detector.trained_last_stage = true;
  p.train.trunk_rate = 0.1;
  return p;
}

DetectorProfile MicroProfile(int num_classes) {
  DetectorProfile p = TinyProfile(num_classes);
  p.name = "micro";
  p.detector.input_size = 192;
  p.train.steps = 280;
  return p;
}

DetectorProfile MakeProfile(const std::string& name, int num_classes) {
  if (name == "micro") return MicroProfile(num_classes);
  if (name == "tiny") return TinyProfile(num_classes);
  if (name == "frozen") return FrozenProfile(num_classes);
  if (name == "last-stage") return LastStageProfile(num_classes);
  if (name == "full") return Torchvision(name, num_classes, Architecture::kRetinaNet);
  if (name == "faster-rcnn") return Torchvision(name, num_classes, Architecture::kFasterRcnn);
  if (name == "ssd300") return Torchvision(name, num_classes, Architecture::kSsd300);
  if (name == "small") return OnGpu(name, num_classes, 18, 512);
  if (name == "base") return OnGpu(name, num_classes, 34, 640);
  if (name == "large") return OnGpu(name, num_classes, 50, 800);
  std::string known;
  for (const std::string& each : ProfileNames()) known += (known.empty() ? "" : ", ") + each;
  throw std::invalid_argument("unknown detector profile \"" + name + "\": use one of " + known);
}

std::vector<std::string> ProfileNames() {
  return {"frozen", "last-stage", "micro", "tiny",        "small",
          "base",   "large",      "full",  "faster-rcnn", "ssd300"};
}

DetectorProfile MakeRecipe(const std::string& name, const ProfileOverrides& overrides,
                           int num_classes, int64_t labeled_images, uint64_t seed) {
  DetectorProfile recipe = MakeProfile(name, num_classes);
  if (overrides.input_size != 0) recipe.detector.input_size = overrides.input_size;
  if (!overrides.trunk.empty()) ReplaceTrunk(overrides.trunk, &recipe.detector);
  recipe.train.steps =
      overrides.training_steps > 0 ? overrides.training_steps : recipe.StepsFor(labeled_images);
  if (recipe.detector.frozen_trunk) {
    const int64_t most = kMostViews / std::max<int64_t>(1, labeled_images);
    recipe.train.views = std::clamp<int64_t>(most, 2, recipe.train.views);
  }
  recipe.train.warmup_steps = std::min(recipe.train.warmup_steps, recipe.train.steps / 2);
  recipe.train.seed = seed;
  CheckConfig(recipe.detector);
  CheckConfig(recipe.train);
  return recipe;
}

}  // namespace mgral::core
