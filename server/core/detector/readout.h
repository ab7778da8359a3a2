#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/sample.h"
#include "server/core/progress.h"

namespace mgral::core {

// A linear detector on the trunk's features at stride 16: for each class, whether an object's
// center is near (equations 7 to 9 of docs/method.md). It is fitted in closed form, in
// milliseconds and without chance, so that what labels are worth can be measured a hundred times
// in the time of a training of the heads. Everything is on the CPU. Plain functions: thread-safe.

// Rows of an object: positions near its center.
struct ReadoutObject {
  int64_t label = 0;
  std::vector<int64_t> rows;  // at least one
};

// An image as a readout sees it: P positions within it, D projected features.
struct ReadoutImage {
  at::Tensor rows;                     // float [P, D + 1]; the last column is 1
  at::Tensor gram;                     // float [D + 1, D + 1]: rows' rows
  std::vector<ReadoutObject> objects;  // but those to be ignored
  // Of each class that has objects here: the rows that are an object's, sorted.
  std::map<int64_t, std::vector<int64_t>> class_rows;
};

// SSD300's trunk has no level of stride 16.
bool HasReadout(const DetectorConfig& config);

// Describes the samples, which must be labeled; features come from the cache where they are there.
// They are standardized and brought to at most kReadoutSize numbers by their principal components,
// of these samples alone: images of two calls do not mix. Takes 0.3 MB an image. Throws
// std::invalid_argument without HasReadout, Canceled.
std::vector<ReadoutImage> DescribeForReadout(const Detector& detector, SampleSource& samples,
                                             FeatureCache* cache, const ProgressFn& progress = {});
inline constexpr int64_t kReadoutSize = 192;

// The same from features [P, F] of each image and its objects; `rows` of the result come from them.
std::vector<ReadoutImage> ProjectForReadout(std::vector<at::Tensor> features,
                                            std::vector<std::vector<ReadoutObject>> objects);

using ReadoutImages = std::vector<const ReadoutImage*>;

// Weights double [D + 1, C]; 0 for a class without objects. Throws std::invalid_argument when there
// are no images or a label is not below `classes`.
at::Tensor FitReadout(const ReadoutImages& images, int64_t classes);

struct ReadoutLoss {
  std::vector<double> loss;       // [C], > 0; NaN: no object to find
  std::vector<double> positives;  // [C] objects
  // [C] objects that are missed, each by what its best score lacks of 1 (at least 0, at most 1).
  std::vector<double> missed;
};
ReadoutLoss MeasureReadout(const at::Tensor& weights, const ReadoutImages& images);

}  // namespace mgral::core
