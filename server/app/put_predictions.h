#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/box_input.h"
#include "server/app/item_errors.h"
#include "server/base/limits.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/pool_store.h"
#include "server/domain/prediction_store.h"

namespace mgral::app {

struct PredictionsInput {
  std::string image_id;
  std::vector<BoxInput> boxes;
  std::vector<float> embedding;
};

// Validates the predictions of an external detector and stores them. Thread-safe.
class PutPredictions {
 public:
  // `max_boxes`: of a pool.
  PutPredictions(domain::PoolStore* pools, domain::PredictionStore* predictions,
                 domain::DetectorRuntime* runtime,
                 int64_t max_boxes = base::kMaxPredictedBoxesPerPool)
      : pools_(pools), predictions_(predictions), runtime_(runtime), max_boxes_(max_boxes) {}

  // What is known of a stream between its chunks.
  struct Stream {
    domain::Pool pool;
    std::string model;
    bool has_stored = false;
    std::optional<int> embedding_size;  // nullopt: that of the first predictions
    std::unordered_set<int64_t> seen;   // images with predictions that are not refused
    int64_t images = 0;                 // of the pool's set
  };
  // Errors: FAILED_PRECONDITION "NOT_EXTERNAL" on "parent", INVALID_ARGUMENT on "model".
  absl::StatusOr<Stream> Begin(const domain::Pool& pool, const std::string& model);

  struct Chunk {
    int64_t stored = 0;
    std::vector<Refusal> refused;  // by index
  };
  // Stores those that are valid and reports the others. Errors, with which nothing of the chunk is
  // stored: INVALID_ARGUMENT on "predictions" for too many boxes in all; those of
  // PredictionStore::Put. The stream is over then.
  absl::StatusOr<Chunk> Put(absl::Span<const PredictionsInput> predictions, Stream* stream);

 private:
  domain::PoolStore* pools_;
  domain::PredictionStore* predictions_;
  domain::DetectorRuntime* runtime_;
  const int64_t max_boxes_;
};

}  // namespace mgral::app
