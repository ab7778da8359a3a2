#include "client/cpp/simulate/true_counts.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace mgral::client {
namespace {

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

struct Candidate {
  int image;
  std::vector<double> objects;
};

}  // namespace

std::vector<int> PickByTrueCounts(const Dataset& dataset, const std::vector<int>& pool,
                                  const std::vector<int>& labeled, const v1::Accuracy& accuracy,
                                  int count) {
  const std::vector<double> slopes = ApSlopes(dataset, accuracy);
  std::vector<double> known(slopes.size(), 1.0);  // n_c + 1, and o_c of what is taken
  const auto add = [&known](const std::vector<double>& objects) {
    for (size_t c = 0; c < known.size(); ++c) known[c] += objects[c];
  };
  const auto gain = [&](const Candidate& candidate) {
    double sum = 0;
    for (size_t c = 0; c < known.size(); ++c)
      sum += slopes[c] * std::log1p(candidate.objects[c] / known[c]);
    return sum;
  };
  for (const int image : labeled) add(TrueObjects(dataset, image));
  const std::set<int> done(labeled.begin(), labeled.end());
  std::vector<Candidate> left;
  for (const int image : pool) {
    if (done.count(image) == 0) left.push_back({image, TrueObjects(dataset, image)});
  }
  std::vector<int> picked;
  while (static_cast<int>(picked.size()) < count && !left.empty()) {
    std::vector<double> gains;
    for (const Candidate& candidate : left) gains.push_back(gain(candidate));
    const auto best = left.begin() + (std::max_element(gains.begin(), gains.end()) - gains.begin());
    add(best->objects);
    picked.push_back(best->image);
    left.erase(best);
  }
  return picked;
}

}  // namespace mgral::client
