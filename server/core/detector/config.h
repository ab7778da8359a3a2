#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mgral::core {

// RetinaNet (Lin et al. 2017), Faster R-CNN with a feature pyramid (Ren et al. 2015), SSD300 (Liu
// et al. 2016).
enum class Architecture { kRetinaNet, kFasterRcnn, kSsd300 };
enum class Trunk { kResNet, kEfficientNetLite0, kMobileNetV3Large, kVgg16 };

// How an image is brought to the network's size. kLongestSide: the longest side becomes input_size,
// antialiased where it shrinks. kShortestSide, torchvision's way: the shortest side becomes
// input_size unless the longest would exceed longest_side(), without antialiasing; boxes are
// clipped to the image before suppression instead of at the end, and anchors are spread over the
// canvas by whole pixels where their stride does not divide it. kSquare, SSD's way: both sides do,
// whatever the image's shape; boxes as for kShortestSide.
enum class Resizing { kLongestSide, kShortestSide, kSquare };

// What a detector is. Its tensors have the names of torchvision's detectors, and with depth 50,
// width 1 and the defaults the shapes of retinanet_resnet50_fpn. TorchvisionConfig gives those that
// find the same boxes.
struct DetectorConfig {
  Architecture architecture = Architecture::kRetinaNet;
  Trunk trunk = Trunk::kResNet;
  int depth = 50;      // of a ResNet: 18, 34, 50, 101
  double width = 1.0;  // of a ResNet's or VGG's channels, (0, 1]
  // The trunk stays as it is, and its features of an image are computed once (net_inputs.h).
  bool frozen_trunk = false;
  // Its last stage is trained all the same; the features are of the stages before (C4 and finer).
  bool trained_last_stage = false;
  // What is added to the variance in a ResNet's batch norms. 0 for the weights that torchvision
  // calls COCO_V1, which were trained so.
  double norm_epsilon = 1e-5;
  Resizing resizing = Resizing::kLongestSide;
  int input_size = 800;  // the side of an image that `resizing` names, a multiple of 32
  int num_classes = 1;   // without background
  int pyramid_channels = 256;
  int head_convs = 4;      // before the last one, of either head
  bool head_norm = false;  // batch norm in the heads, one per level
  // Convolutions of pyramid and heads as one per channel and one across channels (Howard et al.
  // 2017): a ninth of the work.
  bool separable = false;
  int min_level = 3;        // finest level P3 (stride 8), or P2 (stride 4)
  int max_level = 7;        // coarsest, at least 5; P6 and P7 are made from P5
  double anchor_scale = 4;  // smallest anchor: anchor_scale * stride
  int anchor_scales = 3;    // per octave
  std::vector<double> anchor_ratios = {0.5, 1.0, 2.0};  // height / width

  // Of an image in the network: 1333 for a shortest side of 800.
  int longest_side() const {
    return resizing == Resizing::kShortestSide ? input_size * 1333 / 800 : input_size;
  }
  int num_levels() const { return max_level - min_level + 1; }
  int anchors_per_position() const {
    return anchor_scales * static_cast<int>(anchor_ratios.size());
  }
};

enum class BoxLoss { kSmoothL1, kGeneralizedIou };
enum class Schedule { kCosine, kStep };
enum class OptimizerKind { kSgd, kAdamW };
// Which anchors are an object's: those that overlap it by positive_iou, or, of the nearest, those
// that overlap it most, however small it is (ATSS, Zhang et al. 2020).
enum class Assignment { kOverlap, kAdaptive };

// How a detector is trained, in steps.
struct TrainConfig {
  int64_t steps = 1000;
  int64_t batch_size = 8;
  int64_t shards = 1;  // parts of a batch that threads work on side by side; see ShardedNet
  double learning_rate = 0.01;
  double trunk_rate = 1;      // the trunk's share of it
  int64_t warmup_steps = 50;  // linear from 0
  Schedule schedule = Schedule::kCosine;
  // kStep: multiplied by 0.1 at 2/3 and at 8/9 of the steps. kCosine: falls to this share.
  double final_learning_rate = 0.01;
  OptimizerKind optimizer = OptimizerKind::kSgd;
  double momentum = 0.9;
  bool nesterov = true;          // of SGD; AdamW has betas 0.9 and 0.999
  double weight_decay = 1e-4;    // not on biases and norms
  double gradient_clip = 10;     // norm of all gradients; 0: off
  double ema_decay = 0;          // 0: off; else the averaged weights are the result
  bool train_batch_norm = true;  // false: statistics and scales stay as they are

  double focal_alpha = 0.25;
  double focal_gamma = 2;
  // Objects of class c weigh (mean count / count of c)^class_balance, limited to [1/4, 8], in both
  // losses, counted over the training set. 0: all alike. Mean AP counts classes alike, so a rare
  // class deserves more than its share of a short training.
  double class_balance = 0;
  BoxLoss box_loss = BoxLoss::kSmoothL1;
  double box_loss_weight = 1;
  double smooth_l1_beta = 0.1;
  Assignment assignment = Assignment::kOverlap;
  // Anchors that Faster R-CNN's first stage is trained on, per image, half of them objects if there
  // are as many; and proposals of its second stage, a quarter.
  int64_t sampled_anchors = 256, sampled_proposals = 512;
  double positive_iou = 0.5;  // an anchor is an object's from here on,
  double negative_iou = 0.4;  // background below; every object has its best anchor at least

  bool mirror = true;      // half of the images
  double scale_min = 0.7;  // random size of the image in its canvas, relative to filling it
  double scale_max = 1.4;
  double brightness = 0.2;  // largest relative change
  double contrast = 0.2;
  double saturation = 0.2;
  // Of a frozen trunk: fixed views of each image that training draws from instead, see ViewOf.
  int64_t views = 2;

  uint64_t seed = 0;
};

struct PredictConfig {
  float min_score = 0.05f;
  float nms_iou = 0.5f;
  int64_t candidates_per_level = 400;  // before suppression; SSD: per class
  int64_t max_detections = 100;        // per image
  int64_t batch_size = 16;
};

// The detector that torchvision calls retinanet_resnet50_fpn, fasterrcnn_resnet50_fpn or
// ssd300_vgg16. `num_classes`: without background, which torchvision counts in the last two.
DetectorConfig TorchvisionConfig(Architecture architecture, int num_classes);

// What detections are picked by unless asked otherwise: as torchvision does where `config` resizes
// as it does.
PredictConfig DefaultPredictConfig(const DetectorConfig& config);

// Throw std::invalid_argument naming the field.
void CheckConfig(const DetectorConfig& config);
void CheckConfig(const TrainConfig& config);

// As a configuration names it: "retinanet", "resnet", "shortest_side". Throws
// std::invalid_argument.
std::string ToString(Architecture architecture);
std::string ToString(Trunk trunk);
std::string ToString(Resizing resizing);

// One line "depth=18 width=0.25 ...", stored with the weights. ParseDetectorConfig accepts any
// order, takes defaults for what is missing and throws std::invalid_argument on the rest.
std::string ToString(const DetectorConfig& config);
DetectorConfig ParseDetectorConfig(const std::string& text);

}  // namespace mgral::core
