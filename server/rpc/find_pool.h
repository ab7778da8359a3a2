#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/pool_store.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

// The pool named pools/{pool} in `field` of a request. Errors: INVALID_ARGUMENT on `field`,
// NOT_FOUND.
absl::StatusOr<domain::Pool> FindPool(domain::PoolStore* pools, const std::string& name,
                                      const std::string& field);

// The pool of pools/{pool}/<collection>/{id}, and the id.
struct PoolChild {
  domain::Pool pool;
  std::string id;
};
absl::StatusOr<PoolChild> FindPoolOfChild(domain::PoolStore* pools, const std::string& name,
                                          const std::string& collection);

// The store's error about that child; NOT_FOUND with its name in full.
absl::Status AboutChild(const absl::Status& status, const std::string& type,
                        const std::string& name);

}  // namespace mgral::rpc
