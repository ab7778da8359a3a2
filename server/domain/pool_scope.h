#pragma once

#include <string>
#include <vector>

namespace mgral::domain {

// Which pools somebody may see: all of them, or those that are named and those whose id begins with
// one of the prefixes.
struct PoolScope {
  bool all = true;  // then the lists don't matter
  std::vector<std::string> pool_ids, prefixes;

  bool Contains(const std::string& pool_id) const;
  bool operator==(const PoolScope& other) const;
};

}  // namespace mgral::domain
