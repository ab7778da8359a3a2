#include "server/core/selector/refine_batch.h"

#include <algorithm>
#include <cmath>

#include "server/core/selector/cell_frontier.h"

namespace mgral::core {
namespace {

constexpr int64_t kSmallExchange = 20000;  // n x N up to which any image may come in
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
      if (!ExchangeOne()) break;
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

  void Replace(int64_t position, int64_t image) {
    state_.Remove(batch_[position]);
    state_.Add(image);
    batch_[position] = image;
  }

  BatchState state_;
  std::vector<int64_t> batch_;
  CellFrontier frontier_;
};

}  // namespace

std::vector<int64_t> RefineBatch(const BatchState& base, std::vector<int64_t> batch) {
  return Refiner(base, std::move(batch)).Run();
}

std::vector<int64_t> OrderBatch(BatchState base, std::vector<int64_t> batch) {
  std::sort(batch.begin(), batch.end());  // the order must not depend on how the batch was found
  std::vector<int64_t> order;
  while (!batch.empty()) {
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < batch.size(); ++i) {
      const double marginal = base.Marginal(batch[i]);
      if (marginal > most) {
        most = marginal;
        best = i;
      }
    }
    base.Add(batch[best]);
    order.push_back(batch[best]);
    batch.erase(batch.begin() + best);
  }
  return order;
}

}  // namespace mgral::core
