#include "server/rpc/find_pool.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/errors.h"

namespace mgral::rpc {

namespace {

// "team-a, team-b-*".
std::string Words(const domain::PoolScope& scope) {
  std::vector<std::string> words = scope.pool_ids;
  for (const std::string& prefix : scope.prefixes) words.push_back(prefix + "*");
  return absl::StrJoin(words, ", ");
}

}  // namespace

absl::StatusOr<std::string> FindPoolId(const Caller& caller, const std::string& name,
                                       const std::string& field) {
  auto pool_id = ParsePoolName(name, field);
  if (pool_id.ok() && !caller.pools.Contains(*pool_id)) return base::NotFound("pool", name);
  return pool_id;
}

absl::Status MayCreatePool(const Caller& caller, const std::string& pool_id) {
  if (caller.pools.all || (!pool_id.empty() && caller.pools.Contains(pool_id))) {
    return absl::OkStatus();
  }
  return base::PermissionDenied(
      "POOL_OUT_OF_SCOPE",
      absl::StrCat(pool_id.empty() ? "without a pool_id the pool" : "that pool",
                   " would be outside of what this API key may see: choose a pool_id among ",
                   Words(caller.pools)));
}

absl::StatusOr<domain::Pool> FindPool(domain::PoolStore* pools, const Caller& caller,
                                      const std::string& name, const std::string& field) {
  const auto pool_id = FindPoolId(caller, name, field);
  if (!pool_id.ok()) return pool_id.status();
  return pools->GetPool(*pool_id);
}

absl::StatusOr<PoolChild> FindPoolOfChild(domain::PoolStore* pools, const Caller& caller,
                                          const std::string& name, const std::string& collection) {
  const auto parsed = ParseChildName(name, collection, "name");
  if (!parsed.ok()) return parsed.status();
  auto pool = FindPool(pools, caller, PoolName(parsed->pool_id), "name");
  if (!pool.ok()) return pool.status();
  return PoolChild{*std::move(pool), parsed->id};
}

absl::Status AboutChild(const absl::Status& status, const std::string& type,
                        const std::string& name) {
  return absl::IsNotFound(status) ? base::NotFound(type, name) : status;
}

}  // namespace mgral::rpc
