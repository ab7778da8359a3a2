#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace mgral::core {

// Average precision as PASCAL VOC (Everingham et al., IJCV 2010; its devkit) and COCO (Lin et al.,
// ECCV 2014; pycocotools) define it. Plain functions: thread-safe, deterministic. Boxes are corners
// in pixels.
//
// Per class, detections are ranked by score over all images; equal scores keep the order of images,
// then of boxes. Each is a hit, a false positive, or ignored (see Matching); precision and recall
// after each one are the curve that Interpolation averages. The result equals pycocotools' and the
// devkit's to rounding, except that
// - a class without ground truth is NaN instead of -1, and left out of every mean as well;
// - `ignore` without `crowd` holds for COCO too, where pycocotools reads only "iscrowd";
// - areas are of boxes, where COCO's annotations carry the area of the mask;
// - the eleven recalls are exactly k/10: the devkit's 0:0.1:1 rounds some up, and so misses them.

struct TruthBox {
  double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
  int32_t label = 0;
  bool ignore = false;  // VOC "difficult": may be found, counts neither way
  // COCO "iscrowd": ignored, may be found any number of times, and overlap with it is the share of
  // the detection that lies inside.
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
  kCoco101,      // mean of the envelope at recall 0, 0.01 .. 1, rounded as pycocotools does
};

// Detections are matched best first, each with a truth box that it overlaps by at least the
// threshold. Matched with a box to be ignored, it is ignored.
enum class Matching {
  // With the truth box that it overlaps most, taken or not, the first of equals; a second hit on a
  // taken box is a false positive.
  kVoc,
  // With the best one that is still free, the last of equals; with one to be ignored only if no
  // other will do. A crowd is always free.
  kCoco,
};

// Of boxes, in square pixels; both ends belong to it. Truth boxes outside are ignored, and so are
// detections outside that match nothing.
struct AreaRange {
  double min = 0;
  double max = std::numeric_limits<double>::infinity();

  bool Contains(double area) const { return area >= min && area <= max; }
};
inline constexpr AreaRange kSmallArea{0, 32 * 32};
inline constexpr AreaRange kMediumArea{32 * 32, 96 * 96};
inline constexpr AreaRange kLargeArea{96 * 96};

struct ApOptions {
  double iou_threshold = 0.5;
  Interpolation interpolation = Interpolation::kArea;
  Matching matching = Matching::kVoc;
  bool inclusive = false;      // areas count pixels: x_max - x_min + 1, as VOC's devkit does
  int64_t max_detections = 0;  // per image and class, best first; 0: all (COCO: 1, 10, 100)
  AreaRange area;
};

struct ClassAp {
  double ap = 0;               // NaN without ground truth to find: left out of every mean
  int64_t positives = 0;       // truth boxes that are not ignored
  int64_t detections = 0;      // those that are not ignored
  int64_t true_positives = 0;  // over `positives`: COCO's recall
};

// Per class, [num_classes]. Throws std::invalid_argument for a label outside [0, num_classes) or a
// number that is not finite. Time: every box is looked at once per class; an image with d
// detections and t truth boxes of a class costs d t, and n detections in all n log n.
std::vector<ClassAp> AveragePrecision(const std::vector<ImageResult>& images, int64_t num_classes,
                                      const ApOptions& options = {});

// Mean over the classes that have ground truth; NaN if none has.
double MeanAp(const std::vector<ClassAp>& classes);

// All measures that a detector is reported with, per class and as a mean. NaN: no ground truth.
// COCO's look at the 100 best detections per image and class.
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
