#include <algorithm>
#include <stdexcept>

#include "server/core/lookup/batch_state.h"
#include "server/core/selector/cell_frontier.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr int64_t kExactWork = 100000000;  // images x n x classes up to which all are compared

int64_t BestImage(const BatchState& state, int64_t images) {
  int64_t best = -1;
  double most = 0;
  for (int64_t i = 0; i < images; ++i) {
    if (state.Taken(i)) continue;
    const double marginal = state.Marginal(i);
    if (best < 0 || marginal > most) {
      best = i;
      most = marginal;
    }
  }
  return best;
}

int64_t BestFront(const BatchState& state, CellFrontier* frontier, int64_t cells) {
  int64_t best = -1;
  double most = 0;
  for (int64_t k = 0; k < cells; ++k) {
    const int64_t image = frontier->Front(k, state);
    if (image < 0) continue;
    const double marginal = state.Marginal(image);
    if (best < 0 || marginal > most) {
      best = image;
      most = marginal;
    }
  }
  return best;
}

}  // namespace

std::vector<int64_t> ContinueLookupGreedy(const LookupTable& table,
                                          const std::vector<int64_t>& taken, int64_t n) {
  CheckTable(table);
  if (n < 0) throw std::invalid_argument("n: must not be negative");
  BatchState state(table);
  int64_t left = table.images;
  for (int64_t image : taken) {
    if (image < 0 || image >= table.images) throw std::invalid_argument("taken: no such image");
    left -= state.Taken(image) ? 0 : 1;
    state.Add(image);
  }
  n = std::min(n, left);
  std::vector<int64_t> order;
  const bool exact = table.images * n * table.classes <= kExactWork;
  const int64_t interval = RefreshInterval(table.images, n);
  CellFrontier frontier(table);
  int64_t rest = 0;  // near-duplicates of what is taken come last, by index
  while (static_cast<int64_t>(order.size()) < n) {
    int64_t image = -1;
    if (exact) {
      image = BestImage(state, table.images);
    } else {
      if (static_cast<int64_t>(order.size()) % interval == 0) frontier.Refresh(state);
      image = BestFront(state, &frontier, table.cells.count);
    }
    if (image < 0) {
      while (state.Taken(rest)) ++rest;
      image = rest;
    }
    state.Add(image);
    order.push_back(image);
  }
  return order;
}

Ranking RankLookupGreedy(const RankInput& input) {
  if (!input.table) throw std::invalid_argument("table: lookup_greedy needs one");
  Ranking out;
  out.order = ContinueLookupGreedy(*input.table, {}, input.limit);
  return out;
}

}  // namespace mgral::core
