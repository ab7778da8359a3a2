#include "client/cpp/simulate/true_counts.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace mgral::client {
namespace {

constexpr int kMostRounds = 8;                     // of the search for the price of a second
constexpr double kCostPower = 0.5;                 // as in server/core/selector/labeling_price.cc
constexpr double kLeastAp = 0.05, kMostAp = 0.95;  // as in server/core/lookup/prior.h

std::vector<double> TrueObjects(const Dataset& dataset, int image) {
  std::vector<double> objects(dataset.classes.size());
  for (const DatasetBox& box : dataset.images[image].boxes) {
    if (!box.ignore) ++objects[box.class_index];
  }
  return objects;
}

// What a class's log growth is worth, in the order of the dataset's classes.
std::vector<double> ApSlopes(const Dataset& dataset, const v1::Accuracy& accuracy) {
  std::vector<double> slopes;
  for (int c = 0; c < static_cast<int>(dataset.classes.size()); ++c) {
    double ap = c < accuracy.classes_size() ? accuracy.classes(c).ap50() : 0;
    ap = std::isfinite(ap) ? std::clamp(ap, kLeastAp, kMostAp) : kLeastAp;
    slopes.push_back(std::sqrt(ap * (1 - ap)));
  }
  return slopes;
}

// A pool's images by their true objects, from which batches are picked greedily.
class TruePool {
 public:
  TruePool(const Dataset& dataset, const std::vector<int>& pool, const std::vector<int>& labeled,
           std::vector<double> slopes)
      : slopes_(std::move(slopes)), known_(slopes_.size(), 1.0) {
    const std::set<int> done(labeled.begin(), labeled.end());
    for (const int image : labeled) Add(TrueObjects(dataset, image));
    for (const int image : pool) {
      if (done.count(image) == 0) images_.push_back({image, TrueObjects(dataset, image)});
    }
  }

  // By the largest gain less `price` times cost, beside what is labeled. `gain` and `cost` become
  // those of the batch.
  std::vector<int> Pick(int count, const LabelingSeconds& seconds, double price, double* gain,
                        double* cost) const {
    TruePool state = *this;
    std::vector<int> picked;
    *gain = *cost = 0;
    while (static_cast<int>(picked.size()) < count && !state.images_.empty()) {
      std::vector<double> values;
      for (const Image& image : state.images_) {
        values.push_back(state.GainOf(image) - price * CostOf(image, seconds));
      }
      const auto best =
          state.images_.begin() + (std::max_element(values.begin(), values.end()) - values.begin());
      *gain += state.GainOf(*best);
      *cost += CostOf(*best, seconds);
      state.Add(best->objects);
      picked.push_back(best->index);
      state.images_.erase(best);
    }
    return picked;
  }

 private:
  struct Image {
    int index;
    std::vector<double> objects;
  };

  void Add(const std::vector<double>& objects) {
    for (size_t c = 0; c < known_.size(); ++c) known_[c] += objects[c];
  }
  double GainOf(const Image& image) const {
    double sum = 0;
    for (size_t c = 0; c < known_.size(); ++c) {
      sum += slopes_[c] * std::log1p(image.objects[c] / known_[c]);
    }
    return sum;
  }
  static double CostOf(const Image& image, const LabelingSeconds& seconds) {
    double cost = seconds.per_image;
    for (const double objects : image.objects) cost += seconds.per_box * objects;
    return cost;
  }

  std::vector<double> slopes_;
  std::vector<double> known_;  // n_c + 1, and o_c of what is taken
  std::vector<Image> images_;
};

}  // namespace

std::vector<int> PickByTrueCounts(const Dataset& dataset, const std::vector<int>& pool,
                                  const std::vector<int>& labeled, const v1::Accuracy& accuracy,
                                  int count, const LabelingSeconds& seconds) {
  const TruePool state(dataset, pool, labeled, ApSlopes(dataset, accuracy));
  double gain = 0, cost = 0;
  std::vector<int> batch = state.Pick(count, seconds, 0, &gain, &cost);
  for (int round = 0; round < kMostRounds && cost > 0; ++round) {
    std::vector<int> next = state.Pick(count, seconds, kCostPower * gain / cost, &gain, &cost);
    const bool found = next == batch;
    batch = std::move(next);
    if (found) break;
  }
  return batch;
}

}  // namespace mgral::client
