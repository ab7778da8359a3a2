#include <algorithm>
#include <cmath>
#include <queue>
#include <stdexcept>
#include <utility>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/prior.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr double kLeastCost = 1e-6;  // of an image in which nothing is expected

struct GainBound {
  double score;  // never too small
  int64_t image;
};

// The largest score on top, the lower index on ties.
struct ScoresLess {
  bool operator()(const GainBound& a, const GainBound& b) const {
    return a.score != b.score ? a.score < b.score : a.image > b.image;
  }
};

// The labeling cost of every image to the power of prior.h; empty where that is 0.
std::vector<double> CostDivisors(const RankInput& input) {
  std::vector<double> out;
  if (prior::kCostExponent == 0) return out;
  const LookupTable& table = *input.table;
  for (int64_t i = 0; i < table.images; ++i) {
    double cost = input.cost_per_image;
    for (int64_t c = 0; c < table.classes; ++c) {
      cost += input.cost_per_box * table.expected[i * table.classes + c];
    }
    out.push_back(std::pow(std::max(kLeastCost, cost), prior::kCostExponent));
  }
  return out;
}

}  // namespace

std::vector<int64_t> ContinueLookupGreedy(const LookupTable& table,
                                          const std::vector<int64_t>& taken, int64_t n,
                                          const std::vector<double>& cost) {
  CheckTable(table);
  if (n < 0) throw std::invalid_argument("n: must not be negative");
  if (!cost.empty() && static_cast<int64_t>(cost.size()) != table.images) {
    throw std::invalid_argument("cost: has a wrong number of values");
  }
  for (const double value : cost) {
    if (!(value > 0) || std::isinf(value)) throw std::invalid_argument("cost: must be positive");
  }
  BatchState state(table);
  for (int64_t image : taken) {
    if (image < 0 || image >= table.images) throw std::invalid_argument("taken: no such image");
    state.Add(image);
  }
  const auto score = [&](int64_t image) {
    return state.Marginal(image) / (cost.empty() ? 1 : cost[image]);
  };
  std::vector<GainBound> bounds;
  for (int64_t i = 0; i < table.images; ++i) {
    if (!state.Taken(i)) bounds.push_back({score(i), i});
  }
  std::priority_queue<GainBound, std::vector<GainBound>, ScoresLess> queue(ScoresLess(),
                                                                           std::move(bounds));
  std::vector<int64_t> order;
  while (static_cast<int64_t>(order.size()) < n && !queue.empty()) {
    GainBound top = queue.top();
    queue.pop();
    top.score = score(top.image);
    if (!queue.empty() && ScoresLess()(top, queue.top())) {
      queue.push(top);
      continue;
    }
    state.Add(top.image);
    order.push_back(top.image);
  }
  return order;
}

Ranking RankLookupGreedy(const RankInput& input) {
  if (!input.table) throw std::invalid_argument("table: lookup_greedy needs one");
  Ranking out;
  out.order = ContinueLookupGreedy(*input.table, {}, input.limit, CostDivisors(input));
  return out;
}

}  // namespace mgral::core
