#include <algorithm>
#include <cmath>
#include <queue>
#include <stdexcept>
#include <utility>

#include "server/core/lookup/batch_state.h"
#include "server/core/selector/labeling_price.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

struct GainBound {
  double score;  // marginal gain less price, never too small
  int64_t image;
};

// The largest score on top, the lower index on ties.
struct ScoresLess {
  bool operator()(const GainBound& a, const GainBound& b) const {
    return a.score != b.score ? a.score < b.score : a.image > b.image;
  }
};

}  // namespace

std::vector<int64_t> ContinueLookupGreedy(const LookupTable& table,
                                          const std::vector<int64_t>& taken, int64_t n,
                                          const std::vector<double>& price) {
  CheckTable(table);
  if (n < 0) throw std::invalid_argument("n: must not be negative");
  BatchState state(table, price);
  for (int64_t image : taken) {
    if (image < 0 || image >= table.images) throw std::invalid_argument("taken: no such image");
    state.Add(image);
  }
  std::vector<GainBound> bounds;
  for (int64_t i = 0; i < table.images; ++i) {
    if (!state.Taken(i)) bounds.push_back({state.Marginal(i), i});
  }
  std::priority_queue<GainBound, std::vector<GainBound>, ScoresLess> queue(ScoresLess(),
                                                                           std::move(bounds));
  std::vector<int64_t> order;
  while (static_cast<int64_t>(order.size()) < n && !queue.empty()) {
    GainBound top = queue.top();
    queue.pop();
    top.score = state.Marginal(top.image);
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
  ContinueByGainLessPrice(input, input.limit, &out.order);
  return out;
}

}  // namespace mgral::core
