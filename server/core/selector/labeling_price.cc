#include "server/core/selector/labeling_price.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "server/core/lookup/batch_state.h"

namespace mgral::core {
namespace {

constexpr int kMostRounds = 8;  // three or four do
// The batch maximizes gain / cost^kCostPower: 0 ignores cost, 1 is gain per second, which spends
// too little on each image (docs/adr/0016-gain-over-the-root-of-cost.md).
constexpr double kCostPower = 0.5;
// To look at an image takes at least as long as this many boxes. Without that, images with hardly
// any objects would bring most for their cost.
constexpr double kLeastLook = 1;
constexpr double kSame = 1e-9;  // relative difference of values that counts as none

// Of each candidate [N]; those of a group of near-duplicates cost their mean, as they gain it.
std::vector<double> Costs(const RankInput& input) {
  const LookupTable& table = *input.table;
  const double look = std::max(input.cost_per_image, kLeastLook * input.cost_per_box);
  std::vector<double> costs(table.images, look);
  if (input.cost_per_box == 0) return costs;
  const std::vector<float>& objects = input.candidates.expected_objects;
  if (static_cast<int64_t>(objects.size()) != table.images * table.classes) {
    throw std::invalid_argument("expected_objects: has a wrong number of values");
  }
  std::vector<double> boxes(table.groups, 0.0), members(table.groups, 0.0);
  for (int64_t i = 0; i < table.images; ++i) {
    ++members[table.group_of[i]];
    for (int64_t c = 0; c < table.classes; ++c) {
      const double each = objects[i * table.classes + c];
      if (!std::isfinite(each) || each < 0) {
        throw std::invalid_argument("expected_objects: must be finite and not negative");
      }
      boxes[table.group_of[i]] += each;
    }
  }
  for (int64_t i = 0; i < table.images; ++i) {
    const int32_t group = table.group_of[i];
    costs[i] += input.cost_per_box * boxes[group] / members[group];
  }
  return costs;
}

// Looks for the price at which greedy's batch maximizes gain / cost^power.
class PriceSearch {
 public:
  PriceSearch(const RankInput& input, std::vector<double> costs, const std::vector<int64_t>& taken,
              int64_t size)
      : table_(*input.table),
        costs_(std::move(costs)),
        taken_(taken),
        size_(size),
        before_(table_) {
    for (const int64_t image : taken) before_.Add(image);
  }

  // Two ways lead to different maxima at times: down from the batch that ignores cost, and up from
  // the one with the largest gain per second, which Dinkelbach's steps find for certain.
  double Find(double power) const {
    const Batch dear = BatchAt(0);
    const Batch cheap = Climb(1, dear), from_dear = Climb(power, dear),
                from_cheap = Climb(power, cheap);
    const Batch& best = Value(from_cheap, power) > Value(from_dear, power) ? from_cheap : from_dear;
    return best.price > 0 ? best.price : PriceOf(best, power);
  }

  std::vector<double> Prices(double per_second) const {
    std::vector<double> price;
    for (const double cost : costs_) price.push_back(per_second * cost);
    return price;
  }

 private:
  struct Batch {
    double gain = 0, cost = 0;
    double price = 0;  // of a second, that led to it
  };

  Batch BatchAt(double per_second) const {
    Batch batch;
    batch.price = per_second;
    BatchState state = before_;
    for (const int64_t image : ContinueLookupGreedy(table_, taken_, size_, Prices(per_second))) {
      state.Add(image);
      batch.cost += costs_[image];
    }
    batch.gain = std::max(0.0, state.Gain() - before_.Gain());
    return batch;
  }

  static double Value(const Batch& batch, double power) {
    return batch.cost > 0 ? batch.gain / std::pow(batch.cost, power) : 0;
  }
  static double PriceOf(const Batch& batch, double power) {
    return batch.cost > 0 ? power * batch.gain / batch.cost : 0;
  }

  // At a batch's own price, the batch with the largest gain less price has no smaller value: as a
  // function of cost, the gain that keeps the value is concave, so it lies below its tangent, whose
  // slope is that price. Greedy may miss the batch, though.
  Batch Climb(double power, Batch batch) const {
    for (int round = 0; round < kMostRounds; ++round) {
      const Batch next = BatchAt(PriceOf(batch, power));
      const double before = Value(batch, power), after = Value(next, power);
      if (after < (1 - kSame) * before) break;
      batch = next;
      if (after <= (1 + kSame) * before) break;
    }
    return batch;
  }

  const LookupTable& table_;
  const std::vector<double> costs_;
  const std::vector<int64_t>& taken_;
  const int64_t size_;
  BatchState before_;
};

}  // namespace

std::vector<double> LabelingPrices(const RankInput& input, const std::vector<int64_t>& taken,
                                   int64_t size) {
  if (!input.table) throw std::invalid_argument("table: is missing");
  for (const double each : {input.cost_per_image, input.cost_per_box}) {
    if (!std::isfinite(each) || each < 0) {
      throw std::invalid_argument("cost: must not be negative");
    }
  }
  const std::vector<double> costs = Costs(input);
  if (costs.empty()) return {};
  const auto [least, most] = std::minmax_element(costs.begin(), costs.end());
  if (*least == *most) return {};
  if (size == 0) size = std::max<int64_t>(1, input.batch_size);
  const PriceSearch search(input, costs, taken, size);
  const double per_second = search.Find(kCostPower);
  if (per_second == 0) return {};
  return search.Prices(per_second);
}

void ContinueByGainLessPrice(const RankInput& input, int64_t n, std::vector<int64_t>* order) {
  if (!input.table) throw std::invalid_argument("table: is missing");
  if (n < 0) throw std::invalid_argument("limit: must not be negative");
  n = std::min(n, input.table->images);
  while (static_cast<int64_t>(order->size()) < n) {
    const auto have = static_cast<int64_t>(order->size());
    // Not cut at n: a longer queue begins with the shorter one.
    const int64_t block = std::max({int64_t{1}, input.batch_size, have / 4});
    const std::vector<double> price = LabelingPrices(input, *order, block);
    const int64_t count = price.empty() ? n - have : std::min(block, n - have);
    const std::vector<int64_t> more = ContinueLookupGreedy(*input.table, *order, count, price);
    order->insert(order->end(), more.begin(), more.end());
  }
}

}  // namespace mgral::core
