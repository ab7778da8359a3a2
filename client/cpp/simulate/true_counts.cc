#include "client/cpp/simulate/true_counts.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace mgral::client {
namespace {

constexpr int kMostRounds = 8;  // of the search for the price of a second
// As in server/core/selector/labeling_price.cc, which says why a search begins at both ends.
constexpr double kCostPower = 0.5, kBetter = 1e-9;
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

struct Batch {
  std::vector<int> images;
  double gain = 0, cost = 0;

  double Value(double power) const { return cost > 0 ? gain / std::pow(cost, power) : 0; }
};

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

  // By the largest gain less `price` times cost, beside what is labeled.
  Batch Pick(int count, const LabelingSeconds& seconds, double price) const {
    TruePool state = *this;
    Batch batch;
    while (static_cast<int>(batch.images.size()) < count && !state.images_.empty()) {
      std::vector<double> values;
      for (const Image& image : state.images_) {
        values.push_back(state.GainOf(image) - price * CostOf(image, seconds));
      }
      const auto best =
          state.images_.begin() + (std::max_element(values.begin(), values.end()) - values.begin());
      batch.gain += state.GainOf(*best);
      batch.cost += CostOf(*best, seconds);
      state.Add(best->objects);
      batch.images.push_back(best->index);
      state.images_.erase(best);
    }
    return batch;
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
  const Batch dear = state.Pick(count, seconds, 0);
  if (dear.cost <= 0) return dear.images;
  const auto climb = [&](double power, Batch batch) {
    for (int round = 0; round < kMostRounds; ++round) {
      Batch next = state.Pick(count, seconds, power * batch.gain / batch.cost);
      if (!(next.Value(power) > (1 + kBetter) * batch.Value(power))) break;
      batch = std::move(next);
    }
    return batch;
  };
  const Batch from_dear = climb(kCostPower, dear), from_cheap = climb(kCostPower, climb(1, dear));
  return (from_cheap.Value(kCostPower) > from_dear.Value(kCostPower) ? from_cheap : from_dear)
      .images;
}

}  // namespace mgral::client
