#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace mgral::domain {

// Which pools somebody may see: all of them, or those that are named and those whose id begins with
// one of the prefixes.
struct PoolScope {
  bool all = true;  // then the lists don't matter
  std::vector<std::string> pool_ids, prefixes;

  bool Contains(const std::string& pool_id) const {
    const auto begins = [&](const std::string& prefix) {
      return pool_id.compare(0, prefix.size(), prefix) == 0;
    };
    return all || std::find(pool_ids.begin(), pool_ids.end(), pool_id) != pool_ids.end() ||
           std::any_of(prefixes.begin(), prefixes.end(), begins);
  }
  bool operator==(const PoolScope& other) const {
    return all == other.all && pool_ids == other.pool_ids && prefixes == other.prefixes;
  }
};

}  // namespace mgral::domain
