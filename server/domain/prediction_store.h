#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/domain/image.h"
#include "server/domain/measurement.h"

namespace mgral::domain {

// The predictions that a pool holds of one version of an external detector.
struct PredictionSet {
  int64_t key = 0;
  std::string model;       // a name and version that the user chose
  int embedding_size = 0;  // as it was put, before any projection; 0: without embeddings
  int64_t images = 0, boxes = 0;
};

// Predictions of external detectors, one set per pool. Thread-safe; each call is one transaction.
class PredictionStore {
 public:
  virtual ~PredictionStore() = default;

  virtual absl::StatusOr<std::optional<PredictionSet>> FindSet(int64_t pool_key) = 0;

  struct Chunk {
    std::string model;
    int embedding_size = 0;
    // Where the pool's set is of another model: drop it and begin a new one. Else that is an error.
    bool may_replace = false;
    absl::Span<const ImageSignals> predictions;  // of different images of the pool
  };
  // All or none; replaces what was there of an image. Gives the set as it is then. Errors:
  // FAILED_PRECONDITION "PREDICTIONS_REPLACED" when the set is of another model, or of another
  // embedding size, "TOO_MANY_BOXES" when it would have more than `max_boxes`.
  virtual absl::StatusOr<PredictionSet> Put(int64_t pool_key, const Chunk& chunk,
                                            int64_t max_boxes) = 0;

  // Of images of that use that are not REJECTED, by ascending key, from after `after_key`, at most
  // `limit`. None of a set that was replaced.
  virtual absl::StatusOr<std::vector<ImageSignals>> Predictions(int64_t set_key, ImageUse use,
                                                                int64_t after_key, int limit) = 0;
};

}  // namespace mgral::domain
