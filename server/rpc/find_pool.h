#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/pool_store.h"
#include "server/rpc/authentication.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

// Every pool named in a request is resolved here. A pool that the caller may not see is NOT_FOUND,
// with the same message as one that does not exist.

// The id of pools/{pool} in `field` of a request, whether or not it exists. Errors:
// INVALID_ARGUMENT on `field`, NOT_FOUND.
absl::StatusOr<std::string> FindPoolId(const Caller& caller, const std::string& name,
                                       const std::string& field);
// The pool itself. Errors: the same.
absl::StatusOr<domain::Pool> FindPool(domain::PoolStore* pools, const Caller& caller,
                                      const std::string& name, const std::string& field);

// Errors: PERMISSION_DENIED "POOL_OUT_OF_SCOPE" when the caller would not see that pool. An empty
// id, which the server generates, is for callers who see all pools.
absl::Status MayCreatePool(const Caller& caller, const std::string& pool_id);

// The pool of pools/{pool}/<collection>/{id}, and the id.
struct PoolChild {
  domain::Pool pool;
  std::string id;
};
absl::StatusOr<PoolChild> FindPoolOfChild(domain::PoolStore* pools, const Caller& caller,
                                          const std::string& name, const std::string& collection);

// The store's error about that child; NOT_FOUND with its name in full.
absl::Status AboutChild(const absl::Status& status, const std::string& type,
                        const std::string& name);

}  // namespace mgral::rpc
