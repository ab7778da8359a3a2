#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/sample.h"
#include "server/core/progress.h"

namespace mgral::core {

struct TrainProgress {
  int64_t step = 0;   // done
  int64_t steps = 0;  // in all
  double loss = 0;    // running mean
  double images_per_second = 0;
};
// Returns false to stop: Train then throws Canceled (its last checkpoint stays).
using TrainProgressFn = std::function<bool(const TrainProgress&)>;

struct CheckpointConfig {
  std::string path;  // empty: no checkpoints
  int64_t every_steps = 100;
};

struct TrainReport {
  int64_t steps = 0;
  int64_t resumed_at = 0;   // step of the checkpoint that was found; 0: none
  int64_t images_seen = 0;  // in this call
  double seconds = 0;       // of this call
  double loss = 0;          // running mean at the end
};

// Trains `detector` in place. If `checkpoint.path` exists, goes on from it: the result is the one
// that training without a break gives. A checkpoint of another configuration, seed or number of
// images throws std::runtime_error. The same seed, samples, thread count and machine give the same
// weights. Uses the threads of at::set_num_threads. Throws std::invalid_argument if there are no
// images, std::runtime_error if the loss is no longer finite. A frozen trunk's features are taken
// from `cache` and kept there.
TrainReport Train(Detector& detector, SampleSource& samples, const TrainConfig& config,
                  const CheckpointConfig& checkpoint = {}, const TrainProgressFn& progress = {},
                  FeatureCache* cache = nullptr);

}  // namespace mgral::core
