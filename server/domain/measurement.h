#pragma once

#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "server/domain/labels.h"

// What the two runtimes pass to each other through a cycle.
namespace mgral::domain {

// Told how much is done, in [0, 1]; false asks the work to stop, which then gives CANCELLED.
using Progress = std::function<bool(double fraction)>;

// What one pass of the detector over an image and its mirror image says of it (equations 4 to 6 of
// docs/method.md).
struct ImageSignals {
  int64_t image_key = 0;
  std::vector<float> embedding;         // at most 128
  std::vector<float> expected_objects;  // per class
  std::vector<float> uncertainty;       // per class
  float disagreement = 0;
  std::vector<Box> predictions;  // in the original image's pixels
  // Of the first predictions, at most 16: what the detector saw in the box, as a direction of
  // `object_dim` (at most 32) bytes each, up to 512 an image. 0 and empty of a detector elsewhere.
  int object_dim = 0;
  std::vector<int8_t> objects;
  std::string error;  // not empty: the image cannot be decoded, the rest is unset
};

// How many boxes the detector expects in an image, of all classes together.
inline float ExpectedBoxes(const ImageSignals& signals) {
  return std::accumulate(signals.expected_objects.begin(), signals.expected_objects.end(), 0.0f);
}

// A batch that the detector is fine-tuned on for a few steps, to measure what it does to AP.
struct ProbeBatch {
  bool replay = false;
  bool control = false;             // no images: what the others are compared with
  std::vector<int64_t> image_keys;  // candidates, or newly labeled ones if replay
  uint64_t seed = 0;
};

struct ProbePlan {
  std::vector<ProbeBatch> probes;
  std::string cells;  // serialized k-means result, handed to FitTable
};

struct ProbeResponse {
  std::vector<double> class_ap50;  // NaN without ground truth
  std::vector<double> class_loss;
  double seconds = 0;
};

}  // namespace mgral::domain
