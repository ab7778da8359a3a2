#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

// Fills in what was left out and stores the pool; a pool_id is made up if it is empty. Errors:
// INVALID_ARGUMENT on "pool_id" and "pool.*"; those of PoolStore::CreatePool. Thread-safe.
class CreatePool {
 public:
  CreatePool(domain::PoolStore* pools, domain::DetectorRuntime* runtime)
      : pools_(pools), runtime_(runtime) {}

  absl::StatusOr<domain::Pool> Run(domain::Pool pool, const domain::RequestKey& request);

 private:
  domain::PoolStore* pools_;
  domain::DetectorRuntime* runtime_;
};

}  // namespace mgral::app
