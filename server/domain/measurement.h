#pragma once

#include <array>
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

// Replay probes of a cycle (docs/method.md, "Probe"): bases of the labeled images, each measured by
// a job of its own.
struct ProbePlan {
  std::vector<int> probes;  // of each base
  uint64_t seed = 0;
  std::string cells;  // serialized k-means result, handed to FitTable
};

// What the labels of a batch were worth beside a base.
struct ReplayProbe {
  std::vector<int64_t> image_keys;  // the batch
  // Per class: the fall of the log of the held-out loss, and the same on either half of the
  // held-out images; NaN where none has such an object.
  std::vector<double> response;
  std::array<std::vector<double>, 2> half_response;
  std::vector<double> held_positives;  // per class
  std::vector<double> missed;  // per class: objects of the batch that the base misses; empty: all
};

struct ReplayBase {
  std::vector<int64_t> image_keys;
  std::vector<ReplayProbe> probes;
  double seconds = 0;  // of all of it
};

// What labels did to AP between two cycles.
struct RealizedGain {
  std::vector<double> features;    // of the new labels beside the earlier ones, as the table's
  std::vector<double> class_ap;    // before; NaN: unknown
  std::vector<double> class_gain;  // NaN: unknown
};

}  // namespace mgral::domain
