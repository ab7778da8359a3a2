#include "server/core/lookup/gain_level.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "server/core/lookup/estimate.h"
#include "server/core/lookup/prior.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr int kBatches = 16;

}  // namespace

RandomGain GainOfRandomBatches(const LookupTable& table) {
  RandomGain out;
  out.per_weight.assign(kNumFeatures, 0.0);
  const int64_t size = std::min(table.labeled_images, table.images);
  if (size == 0) return out;
  const std::vector<double> slopes = table.ApSlopes();
  std::vector<int64_t> candidates(table.images);
  std::iota(candidates.begin(), candidates.end(), 0);
  RandomStream random(0);
  double gain = 0;
  for (int b = 0; b < kBatches; ++b) {
    for (int64_t i = 0; i < size; ++i) {
      std::swap(candidates[i], candidates[i + random.Below(table.images - i)]);
    }
    const std::vector<double> features =
        FeaturesOf(table, {candidates.begin(), candidates.begin() + size});
    for (int64_t c = 0; c < table.classes; ++c) {
      const double share = slopes[c] / static_cast<double>(kBatches * table.classes);
      for (int f = 0; f < kNumFeatures; ++f) {
        const int64_t cf = c * kNumFeatures + f;
        out.per_weight[f] += share * features[cf];
        gain += share * features[cf] * table.weights[cf];
      }
    }
  }
  out.level = LevelOf(LogGrowth(table.labeled_images, table.images), gain);
  return out;
}

double LogGrowth(int64_t labeled, int64_t candidates) {
  return std::log1p(static_cast<double>(std::min(labeled, candidates)) /
                    static_cast<double>(labeled));
}

double LevelOf(double log_images, double gain) {
  // A table that expects nothing of any batch is at the upper bound.
  return std::clamp(std::sqrt(log_images / std::max(1e-12, gain)), prior::kLeastLevel,
                    prior::kMostLevel);
}

}  // namespace mgral::core
