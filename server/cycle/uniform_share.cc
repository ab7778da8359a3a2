#include "server/cycle/uniform_share.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "server/cycle/seed.h"

namespace mgral::cycle {
namespace {

// By the images' places in `keys`, not by the keys: these differ between pools of the same images.
std::vector<int64_t> Permuted(const std::vector<int64_t>& keys, uint64_t seed) {
  std::vector<std::pair<uint64_t, int64_t>> drawn;
  drawn.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) drawn.emplace_back(MixSeed(seed, i), keys[i]);
  std::sort(drawn.begin(), drawn.end());
  std::vector<int64_t> permuted;
  permuted.reserve(keys.size());
  for (const auto& [hash, key] : drawn) permuted.push_back(key);
  return permuted;
}

}  // namespace

int64_t UniformCount(int64_t n, double share) {
  // 0.29 * 100 is a little less than 29.
  return static_cast<int64_t>(std::floor(static_cast<double>(n) * share + 1e-9));
}

RankedQueue InterleaveUniform(const std::vector<int64_t>& ranked, const std::vector<int64_t>& pool,
                              double share, uint64_t seed) {
  const int64_t size = static_cast<int64_t>(ranked.size());
  if (UniformCount(size, share) == 0) return {ranked, std::vector<bool>(ranked.size())};
  const std::vector<int64_t> drawn = Permuted(pool, seed);
  std::unordered_set<int64_t> taken;
  const auto next = [&taken](const std::vector<int64_t>& order, size_t* at) {
    while (!taken.insert(order[*at]).second) ++*at;
    return order[(*at)++];
  };
  RankedQueue queue;
  size_t next_ranked = 0, next_drawn = 0;
  for (int64_t i = 0; i < size; ++i) {
    const bool uniform = UniformCount(i + 1, share) > UniformCount(i, share);
    queue.uniform.push_back(uniform);
    queue.image_keys.push_back(uniform ? next(drawn, &next_drawn) : next(ranked, &next_ranked));
  }
  return queue;
}

}  // namespace mgral::cycle
