#pragma once

#include <cstdint>
#include <vector>

namespace mgral::core {

// Average precision as PASCAL VOC (Everingham et al. 2010) and COCO define it. Plain functions:
// thread-safe, deterministic. Boxes are corners in pixels.

struct TruthBox {
  double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
  int32_t label = 0;
  // VOC "difficult": may be found, counts neither way. With `crowd` (COCO "iscrowd") it may be
  // found any number of times, and overlap is measured against the detection's area alone.
  bool ignore = false;
  bool crowd = false;
};

struct ScoredBox {
  double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
  int32_t label = 0;
  double score = 0;
};

// One image of the test set: what is there and what was found.
struct ImageResult {
  std::vector<TruthBox> truth;
  std::vector<ScoredBox> found;
};

enum class Interpolation {
  kArea,         // area under the monotone precision envelope (VOC 2010 on)
  kElevenPoint,  // mean of the envelope at recall 0, 0.1 .. 1 (VOC 2007)
  kCoco101,      // mean of the envelope at recall 0, 0.01 .. 1
};

enum class Matching {
  // A detection is compared with the truth box that it overlaps most, taken or not; a second hit
  // on a taken box is a false positive.
  kVoc,
  // A detection takes the best truth box that is still free; boxes to ignore only if no other is
  // good enough.
  kCoco,
};

struct ApOptions {
  double iou_threshold = 0.5;
  Interpolation interpolation = Interpolation::kArea;
  Matching matching = Matching::kVoc;
  bool inclusive = false;      // areas count pixels: x_max - x_min + 1, as VOC's devkit does
  int64_t max_detections = 0;  // per image and class, best first; 0: all (COCO: 100)
};

struct ClassAp {
  double ap = 0;          // NaN without ground truth to find: left out of every mean
  int64_t positives = 0;  // truth boxes that are not ignored
  int64_t detections = 0;
  int64_t true_positives = 0;
};

// Per class, [num_classes]. Equal scores keep the order of images, then of boxes. Throws
// std::invalid_argument for a label outside [0, num_classes) or a number that is not finite.
std::vector<ClassAp> AveragePrecision(const std::vector<ImageResult>& images, int64_t num_classes,
                                      const ApOptions& options = {});

// Mean over the classes that have ground truth; NaN if none has.
double MeanAp(const std::vector<ClassAp>& classes);

// All measures that a detector is reported with, per class and as a mean. NaN: no ground truth.
struct Accuracy {
  std::vector<double> class_ap50;           // VOC: IoU 0.5, area, continuous boxes
  std::vector<double> class_ap50_11_point;  // VOC 2007: the same with 11 points
  std::vector<double> class_ap;             // COCO: mean over IoU 0.50:0.05:0.95, 101 points
  std::vector<int64_t> class_positives;
  double map50 = 0;
  double map50_11_point = 0;
  double map = 0;
};
Accuracy MeasureAccuracy(const std::vector<ImageResult>& images, int64_t num_classes);

}  // namespace mgral::core
