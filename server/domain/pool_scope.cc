#include "server/domain/pool_scope.h"

#include <algorithm>

namespace mgral::domain {

bool PoolScope::Contains(const std::string& pool_id) const {
  const auto begins = [&](const std::string& prefix) {
    return pool_id.compare(0, prefix.size(), prefix) == 0;
  };
  return all || std::find(pool_ids.begin(), pool_ids.end(), pool_id) != pool_ids.end() ||
         std::any_of(prefixes.begin(), prefixes.end(), begins);
}

bool PoolScope::operator==(const PoolScope& other) const {
  return all == other.all && pool_ids == other.pool_ids && prefixes == other.prefixes;
}

}  // namespace mgral::domain
