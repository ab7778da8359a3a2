#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/image_input.h"
#include "server/domain/artifact_store.h"
#include "server/domain/cycle_store.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

// That version of the pool's models, or the published one. Errors: FAILED_PRECONDITION "NO_MODEL"
// on "model", NOT_FOUND.
absl::StatusOr<domain::Model> FindModel(domain::CycleStore* cycles, const domain::Pool& pool,
                                        std::optional<int64_t> version);

// Detects objects with a trained model. Thread-safe.
class Predict {
 public:
  Predict(domain::PoolStore* pools, domain::CycleStore* cycles, domain::ArtifactStore* artifacts,
          domain::DetectorRuntime* runtime)
      : pools_(pools), cycles_(cycles), artifacts_(artifacts), runtime_(runtime) {}

  struct Result {
    int64_t model_version = 0;
    std::vector<domain::DetectorRuntime::Predictions> predictions;  // one per image
  };
  // Images of kNothing are the pool's. `version`: nullopt for the published model; a min_score
  // of 0 is the default. Errors: INVALID_ARGUMENT on "images...", "min_score"; FAILED_PRECONDITION
  // "NO_MODEL", "EXTERNAL_DETECTOR"; NOT_FOUND for the model; the call's own CANCELLED and
  // DEADLINE_EXCEEDED. An image that cannot be decoded is reported in its result.
  absl::StatusOr<Result> Run(const domain::CallContext& call, const domain::Pool& pool,
                             std::optional<int64_t> version, absl::Span<const ImageInput> images,
                             const domain::DetectorRuntime::PredictOptions& options);

 private:
  absl::StatusOr<std::vector<domain::Image>> Resolve(const domain::Pool& pool,
                                                     absl::Span<const ImageInput> images);

  domain::PoolStore* pools_;
  domain::CycleStore* cycles_;
  domain::ArtifactStore* artifacts_;
  domain::DetectorRuntime* runtime_;
};

}  // namespace mgral::app
