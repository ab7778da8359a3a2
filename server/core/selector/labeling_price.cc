#include "server/core/selector/labeling_price.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "server/core/lookup/batch_state.h"

namespace mgral::core {
namespace {

constexpr int kMostRounds = 8;  // three or four do
// The batch has the largest gain over cost to this power: 0 would be the largest gain, 1 the
// largest gain per second, at which later images bring too little
// (docs/adr/0016-gain-over-the-root-of-cost.md).
constexpr double kCostPower = 0.5;
// To look at an image takes at least as long as this many boxes. Without that, images with hardly
// any objects would bring most per second.
constexpr double kLeastLook = 1;
constexpr double kSame = 1e-6;  // change of the price, relative, at which it is found

std::vector<double> Costs(const RankInput& input) {
  const int64_t images = input.table->images, classes = input.table->classes;
  const double look = std::max(input.cost_per_image, kLeastLook * input.cost_per_box);
  std::vector<double> costs(images, look);
  if (input.cost_per_box == 0) return costs;
  const std::vector<float>& objects = input.candidates.expected_objects;
  if (static_cast<int64_t>(objects.size()) != images * classes) {
    throw std::invalid_argument("expected_objects: has a wrong number of values");
  }
  for (int64_t ic = 0; ic < images * classes; ++ic) {
    costs[ic / classes] += input.cost_per_box * objects[ic];
  }
  return costs;
}

}  // namespace

std::vector<double> LabelingPrices(const RankInput& input, const std::vector<int64_t>& taken,
                                   int64_t size) {
  if (!input.table) throw std::invalid_argument("table: is missing");
  for (const double each : {input.cost_per_image, input.cost_per_box}) {
    if (!std::isfinite(each) || each < 0) {
      throw std::invalid_argument("cost: must not be negative");
    }
  }
  const LookupTable& table = *input.table;
  const std::vector<double> costs = Costs(input);
  if (costs.empty()) return {};
  const auto [least, most] = std::minmax_element(costs.begin(), costs.end());
  if (*least == *most) return {};
  if (size == 0) size = std::max<int64_t>(1, input.batch_size);
  BatchState before(table);
  for (const int64_t image : taken) before.Add(image);
  std::vector<double> price(costs.size(), 0.0);
  double per_second = 0;
  for (int round = 0; round < kMostRounds; ++round) {
    BatchState state = before;
    double cost = 0;
    for (const int64_t image : ContinueLookupGreedy(table, taken, size, price)) {
      state.Add(image);
      cost += costs[image];
    }
    const double gain = std::max(0.0, state.Gain() - before.Gain());
    const double next = cost > 0 ? kCostPower * gain / cost : 0;
    const bool found = std::fabs(next - per_second) <= kSame * next;
    per_second = next;
    for (size_t i = 0; i < costs.size(); ++i) price[i] = per_second * costs[i];
    if (found) break;
  }
  if (per_second == 0) return {};
  return price;
}

void ContinueByGainPerSecond(const RankInput& input, int64_t n, std::vector<int64_t>* order) {
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
