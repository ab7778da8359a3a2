#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/sample.h"
#include "server/core/detector/workers.h"

namespace mgral::core {

// Makes of samples what a detector's network takes: images, or for a frozen trunk its features,
// which it looks for in the cache first. A frozen trunk's features are rounded to half precision
// whether they come from the cache or not, so that the cache changes nothing but the time.
// Results are on the CPU. Samples must be checked (CheckedSample).
class NetInputs {
 public:
  // All must outlive it; `cache` may be null.
  NetInputs(const Detector& detector, FeatureCache* cache, Workers& workers);

  // A minibatch to train on: AugmentedBatch, or views of the images drawn from
  // RandomAt(seed, stream, step, slot).
  Minibatch Augmented(const std::vector<Sample>& samples, const TrainConfig& config,
                      uint64_t stream, uint64_t step) const;

  // Without any randomness, the whole image at the top left.
  Letterboxed Plain(const std::vector<Sample>& samples) const;
  // The mirror image of what Plain gave for these samples: they lie at the top right.
  NetInput Mirrored(const std::vector<Sample>& samples, const NetInput& plain) const;
  // Plain with its labels.
  Minibatch PlainBatch(const std::vector<Sample>& samples) const;

 private:
  // `views[i]` of samples[i].
  NetInput FeaturesOf(const std::vector<Sample>& samples, const std::vector<int64_t>& views,
                      const TrainConfig& config) const;
  ViewFeatures Compute(const Sample& sample, int64_t view, const TrainConfig& config) const;

  const Detector& detector_;
  FeatureCache* cache_;
  Workers& workers_;
};

}  // namespace mgral::core
