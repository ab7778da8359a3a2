#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/domain/batch_store.h"
#include "server/domain/pool.h"
#include "server/domain/request.h"
#include "server/domain/selection_runtime.h"

namespace mgral::app {

struct BatchQuery {
  int size = 0;
  std::string strategy;                 // empty: the pool's own
  std::optional<absl::Duration> lease;  // nullopt: an hour
  std::string annotator;
  bool allow_fewer = false;
};

// Leases the next images of a pool. Answered from the published snapshot; never waits for the
// device. Thread-safe.
class QueryBatch {
 public:
  QueryBatch(domain::BatchStore* batches, domain::SelectionRuntime* runtime)
      : batches_(batches), runtime_(runtime) {}

  // Errors: INVALID_ARGUMENT on "size", "strategy", "lease_duration", "annotator";
  // FAILED_PRECONDITION "EXTERNAL_DETECTOR" on "strategy"; those of BatchStore::LeaseBatch.
  absl::StatusOr<domain::Batch> Run(const domain::Pool& pool, const BatchQuery& query,
                                    const domain::RequestKey& request);

 private:
  domain::BatchStore* batches_;
  domain::SelectionRuntime* runtime_;
};

// Why a lease may not last that long; empty when it may.
std::string LeaseProblem(absl::Duration lease);

// In words, for the annotator: why this image is in the batch.
std::string ReasonFor(const domain::Batch& batch, const domain::BatchImage& image,
                      const std::vector<std::string>& classes);

}  // namespace mgral::app
