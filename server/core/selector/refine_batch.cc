#include "server/core/selector/refine_batch.h"

#include <algorithm>
#include <cmath>

#include "server/core/selector/cell_frontier.h"

namespace mgral::core {
namespace {

constexpr int64_t kSmallExchange = 20000;  // n x N up to which any image may come in
constexpr int64_t kSmallPairs = 200000;    // (n N)^2 / 4 up to which any two may
constexpr int64_t kWeakest = 8;            // images that may leave in larger pools
constexpr int64_t kPerCell = 2;            // images of a cell that may enter in larger pools

class Refiner {
 public:
  Refiner(const BatchState& base, std::vector<int64_t> batch)
      : state_(base), batch_(std::move(batch)), frontier_(base.table()) {
    for (int64_t image : batch_) state_.Add(image);
  }

  std::vector<int64_t> Run() {
    const int64_t rounds = 2 * static_cast<int64_t>(batch_.size()) + 50;
    const int64_t interval = RefreshInterval(table().images, rounds);
    for (int64_t round = 0; round < rounds; ++round) {
      if (round % interval == 0) frontier_.Refresh(state_);
      if (!ExchangeOne() && !ExchangeForPairs() && !ExchangeTwo()) break;
    }
    return std::move(batch_);
  }

 private:
  const LookupTable& table() const { return state_.table(); }
  int64_t size() const { return static_cast<int64_t>(batch_.size()); }

  bool Better(double gain, double than) const {
    return gain > than + 1e-9 * std::fabs(than) + 1e-15;
  }

  std::vector<int64_t> Entrants() {
    std::vector<int64_t> out, first;
    if (size() * table().images <= kSmallExchange) {
      for (int64_t i = 0; i < table().images; ++i) {
        if (!state_.Taken(i)) out.push_back(i);
      }
      return out;
    }
    for (int64_t k = 0; k < table().cells.count; ++k) {
      frontier_.First(k, kPerCell, state_, &first);
      out.insert(out.end(), first.begin(), first.end());
    }
    return out;
  }

  // Positions of the batch, those that are missed least first.
  std::vector<int64_t> Weakest() {
    std::vector<std::pair<double, int64_t>> loss;
    const double gain = state_.Gain();
    for (int64_t p = 0; p < size(); ++p) {
      state_.Remove(batch_[p]);
      loss.emplace_back(gain - state_.Gain(), p);
      state_.Add(batch_[p]);
    }
    std::sort(loss.begin(), loss.end());
    std::vector<int64_t> out;
    for (const auto& [value, position] : loss) out.push_back(position);
    return out;
  }

  bool ExchangeOne() {
    const double gain = state_.Gain();
    std::vector<int64_t> leaving = Weakest();
    const std::vector<int64_t> entrants = Entrants();
    if (size() * table().images > kSmallExchange && size() > kWeakest) leaving.resize(kWeakest);
    double most = gain;
    int64_t out = -1, in = -1;
    for (int64_t position : leaving) {
      state_.Remove(batch_[position]);
      for (int64_t image : entrants) {
        const double reached = state_.Gain() + state_.Marginal(image);
        if (Better(reached, most)) {
          most = reached;
          out = position;
          in = image;
        }
      }
      state_.Add(batch_[position]);
    }
    if (out < 0) return false;
    Replace(out, in);
    return true;
  }

  // For every pair of cells: the `each` best of both come in, the least missed go.
  bool ExchangeForPairs() {
    for (int64_t each = 1; each <= 3; ++each) {
      if (2 * each > size()) break;
      for (const CellPair& pair : table().pairs) {
        if (TryPair(pair, each, each) || TryPair(pair, each, 0) || TryPair(pair, 0, each)) {
          return true;
        }
      }
    }
    return false;
  }

  bool TryPair(const CellPair& pair, int64_t from_k, int64_t from_l) {
    const double gain = state_.Gain();
    std::vector<int64_t> incoming, more;
    frontier_.First(pair.k, from_k, state_, &incoming);
    frontier_.First(pair.l, from_l, state_, &more);
    incoming.insert(incoming.end(), more.begin(), more.end());
    if (incoming.empty() || static_cast<int64_t>(incoming.size()) > size()) return false;
    const std::vector<int64_t> before = batch_;
    // In first: then those of the two cells are not the ones that are missed least.
    for (int64_t image : incoming) state_.Add(image);
    batch_.insert(batch_.end(), incoming.begin(), incoming.end());
    for (size_t i = 0; i < incoming.size(); ++i) {
      const int64_t position = Weakest().front();
      state_.Remove(batch_[position]);
      batch_.erase(batch_.begin() + position);
    }
    if (Better(state_.Gain(), gain)) return true;
    Restore(before);
    return false;
  }

  void Restore(const std::vector<int64_t>& before) {
    for (int64_t image : batch_) state_.Remove(image);
    batch_ = before;
    for (int64_t image : batch_) state_.Add(image);
  }

  bool ExchangeTwo() {
    const int64_t n = size(), images = table().images;
    if (n < 2 || n * images * n * images / 4 > kSmallPairs) return false;
    const std::vector<int64_t> entrants = Entrants();
    const double gain = state_.Gain();
    double most = gain;
    int64_t best[4] = {-1, -1, -1, -1};
    for (int64_t a = 0; a < n; ++a) {
      for (int64_t b = a + 1; b < n; ++b) {
        state_.Remove(batch_[a]);
        state_.Remove(batch_[b]);
        for (size_t i = 0; i < entrants.size(); ++i) {
          state_.Add(entrants[i]);
          for (size_t j = i + 1; j < entrants.size(); ++j) {
            const double reached = state_.Gain() + state_.Marginal(entrants[j]);
            if (!Better(reached, most)) continue;
            most = reached;
            best[0] = a, best[1] = b, best[2] = entrants[i], best[3] = entrants[j];
          }
          state_.Remove(entrants[i]);
        }
        state_.Add(batch_[a]);
        state_.Add(batch_[b]);
      }
    }
    if (best[0] < 0) return false;
    Replace(best[0], best[2]);
    Replace(best[1], best[3]);
    return true;
  }

  void Replace(int64_t position, int64_t image) {
    state_.Remove(batch_[position]);
    state_.Add(image);
    batch_[position] = image;
  }

  BatchState state_;
  std::vector<int64_t> batch_;
  CellFrontier frontier_;
};

double MeanPrefixGain(BatchState state, const std::vector<int64_t>& order) {
  double sum = 0;
  for (int64_t image : order) {
    state.Add(image);
    sum += state.Gain();
  }
  return sum;
}

std::vector<int64_t> Grow(BatchState state, std::vector<int64_t> left) {
  std::vector<int64_t> order;
  while (!left.empty()) {
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < left.size(); ++i) {
      const double marginal = state.Marginal(left[i]);
      if (marginal > most) {
        most = marginal;
        best = i;
      }
    }
    state.Add(left[best]);
    order.push_back(left[best]);
    left.erase(left.begin() + best);
  }
  return order;
}

std::vector<int64_t> Shrink(BatchState state, std::vector<int64_t> left) {
  for (int64_t image : left) state.Add(image);
  std::vector<int64_t> order;
  while (!left.empty()) {
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < left.size(); ++i) {
      state.Remove(left[i]);
      if (state.Gain() > most) {
        most = state.Gain();
        best = i;
      }
      state.Add(left[i]);
    }
    state.Remove(left[best]);
    order.push_back(left[best]);
    left.erase(left.begin() + best);
  }
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace

std::vector<int64_t> RefineBatch(const BatchState& base, std::vector<int64_t> batch) {
  return Refiner(base, std::move(batch)).Run();
}

std::vector<int64_t> OrderBatch(const BatchState& base, const std::vector<int64_t>& batch) {
  std::vector<int64_t> sorted = batch;  // the order must not depend on how the batch was found
  std::sort(sorted.begin(), sorted.end());
  const std::vector<int64_t> grown = Grow(base, sorted);
  if (base.table().pairs.empty()) return grown;
  const std::vector<int64_t> shrunk = Shrink(base, sorted);
  return MeanPrefixGain(base, shrunk) > MeanPrefixGain(base, grown) ? shrunk : grown;
}

}  // namespace mgral::core
