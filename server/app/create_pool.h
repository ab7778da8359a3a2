#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/model_runtime.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

// The strategies that a pool or a query may ask for, separated by ", ".
extern const char kStrategies[];
bool IsStrategy(absl::string_view name);

// Fills in what was left out and stores the pool; a pool_id is made up if it is empty. Errors:
// INVALID_ARGUMENT on "pool_id" and "pool.*"; those of PoolStore::CreatePool. Thread-safe.
class CreatePool {
 public:
  CreatePool(domain::PoolStore* pools, domain::ModelRuntime* runtime)
      : pools_(pools), runtime_(runtime) {}

  absl::StatusOr<domain::Pool> Run(domain::Pool pool, const domain::RequestKey& request);

 private:
  domain::PoolStore* pools_;
  domain::ModelRuntime* runtime_;
};

}  // namespace mgral::app
