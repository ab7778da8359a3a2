#include "server/core/selector/strategies.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace mgral::core {
namespace {

struct Row {
  const char* name;
  Ranking (*rank)(const RankInput&);
};

constexpr Row kStrategies[] = {
    {"mgral", RankMgral},
    {"lookup_greedy", RankLookupGreedy},
    {"entropy", RankEntropy},
    {"margin", RankMargin},
    {"core_set", RankCoreSet},
    {"max_herding", RankMaxHerding},
    {"badge", RankBadge},
    {"ppal", RankPpal},
    {"random", RankRandom},
    {"random_deduplicated", RankRandomDeduplicated},
    {"class_balanced", RankClassBalanced},
    {"lookup_shuffled", RankLookupShuffled},
    {"cold_start", RankColdStart},
};

}  // namespace

Ranking Rank(const std::string& strategy, const RankInput& input) {
  if (input.limit < 0) throw std::invalid_argument("limit: must not be negative");
  for (const Row& row : kStrategies) {
    if (strategy == row.name) return row.rank(input);
  }
  throw std::invalid_argument("strategy: is unknown: " + strategy);
}

std::vector<std::string> StrategyNames() {
  std::vector<std::string> names;
  for (const Row& row : kStrategies) names.push_back(row.name);
  return names;
}

std::vector<int64_t> BestByScore(const std::vector<double>& score, int64_t n) {
  std::vector<int64_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  n = std::min(n, static_cast<int64_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + n, order.end(), [&](int64_t a, int64_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a < b;
  });
  order.resize(n);
  return order;
}

}  // namespace mgral::core
