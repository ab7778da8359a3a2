#include "server/rpc/find_pool.h"

#include <utility>

#include "server/base/errors.h"

namespace mgral::rpc {

absl::StatusOr<domain::Pool> FindPool(domain::PoolStore* pools, const std::string& name,
                                      const std::string& field) {
  const auto pool_id = ParsePoolName(name, field);
  if (!pool_id.ok()) return pool_id.status();
  return pools->GetPool(*pool_id);
}

absl::StatusOr<PoolChild> FindPoolOfChild(domain::PoolStore* pools, const std::string& name,
                                          const std::string& collection) {
  const auto parsed = ParseChildName(name, collection, "name");
  if (!parsed.ok()) return parsed.status();
  auto pool = pools->GetPool(parsed->pool_id);
  if (!pool.ok()) return pool.status();
  return PoolChild{*std::move(pool), parsed->id};
}

absl::Status AboutChild(const absl::Status& status, const std::string& type,
                        const std::string& name) {
  return absl::IsNotFound(status) ? base::NotFound(type, name) : status;
}

}  // namespace mgral::rpc
