#include "server/rpc/find_pool.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::rpc {

namespace {

// "team-a, team-b-*".
std::string ScopeText(const domain::PoolScope& scope) {
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
                   " would be outside the scope of this API key: choose a pool_id among ",
                   ScopeText(caller.pools)));
}

absl::StatusOr<domain::Pool> FindPool(domain::PoolStore* pools, const Caller& caller,
                                      const std::string& name, const std::string& field) {
  MGRAL_ASSIGN_OR_RETURN(const auto pool_id, FindPoolId(caller, name, field));
  return pools->GetPool(pool_id);
}

absl::StatusOr<PoolChild> FindPoolOfChild(domain::PoolStore* pools, const Caller& caller,
                                          const std::string& name, const std::string& collection) {
  MGRAL_ASSIGN_OR_RETURN(const auto parsed, ParseChildName(name, collection, "name"));
  MGRAL_ASSIGN_OR_RETURN(auto pool, FindPool(pools, caller, PoolName(parsed.pool_id), "name"));
  return PoolChild{std::move(pool), parsed.id};
}

absl::Status AboutChild(const absl::Status& status, const std::string& type,
                        const std::string& name) {
  return absl::IsNotFound(status) ? base::NotFound(type, name) : status;
}

}  // namespace mgral::rpc
