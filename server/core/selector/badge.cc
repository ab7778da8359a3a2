#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "server/core/lookup/distance.h"
#include "server/core/random.h"
#include "server/core/selector/pool_objects.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

// Gradients of the last layer [C, dim] of every image, of which only the rows (blocks) of classes
// that were found in it are kept: the others are 0.
//
// An object of score p and embedding z adds min(p, 1 - p) z to the row of its class: the gradient
// of the binary cross-entropy of its score with the label that is likelier by it, without its sign,
// so that objects do not cancel each other.
class SparseGradients {
 public:
  explicit SparseGradients(const PoolObjects& objects, int64_t images) : dim_(objects.dim()) {
    std::vector<float> embedding(dim_);
    first_.push_back(0);
    for (int64_t i = 0; i < images; ++i) {
      for (int64_t k = 0; k < objects.Count(i); ++k) {
        const PoolObjects::Object& object = objects.At(i, k);
        const float weight = std::min(object.score, 1 - object.score);
        if (weight <= 0) continue;
        objects.Embedding(i, k, embedding.data());
        float* block = BlockOf(object.label);
        for (int64_t j = 0; j < dim_; ++j) block[j] += weight * embedding[j];
      }
      first_.push_back(static_cast<int64_t>(labels_.size()));
    }
    const std::vector<float> zero(dim_, 0.0f);
    for (size_t b = 0; b < labels_.size(); ++b) {
      squares_.push_back(SquaredDistance(&values_[b * dim_], zero.data(), dim_));
    }
  }

  double SquaredLength(int64_t image) const {
    double sum = 0;
    for (int64_t b = first_[image]; b < first_[image + 1]; ++b) sum += squares_[b];
    return sum;
  }

  // The smaller of `limit` and the squared distance, which is exactly 0 for copies.
  double Distance(int64_t a, int64_t b, double limit) const {
    double sum = 0;
    for (int64_t x = first_[a]; x < first_[a + 1] && sum < limit; ++x) {
      const int64_t y = Find(labels_[x], b);
      sum += y < 0 ? squares_[x] : SquaredDistance(&values_[x * dim_], &values_[y * dim_], dim_);
    }
    for (int64_t y = first_[b]; y < first_[b + 1] && sum < limit; ++y) {
      if (Find(labels_[y], a) < 0) sum += squares_[y];
    }
    return std::min(sum, limit);
  }

 private:
  int64_t Find(int32_t label, int64_t image) const {
    for (int64_t b = first_[image]; b < first_[image + 1]; ++b) {
      if (labels_[b] == label) return b;
    }
    return -1;
  }

  // That class's block of the image which is being added.
  float* BlockOf(int32_t label) {
    int64_t block = first_.back();
    const int64_t end = static_cast<int64_t>(labels_.size());
    while (block < end && labels_[block] != label) ++block;
    if (block == end) {
      labels_.push_back(label);
      values_.resize(values_.size() + dim_, 0.0f);
    }
    return &values_[block * dim_];
  }

  int64_t dim_;
  std::vector<int64_t> first_;   // [images + 1] blocks before each image
  std::vector<int32_t> labels_;  // [blocks]
  std::vector<float> values_;    // [blocks, dim]
  std::vector<float> squares_;   // [blocks] squared lengths
};

// Drawn with probability proportional to `weights`, whose sum is positive.
int64_t Draw(const std::vector<double>& weights, double sum, RandomStream* random) {
  double target = random->Uniform() * sum;
  int64_t drawn = -1;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    drawn = static_cast<int64_t>(i);
    target -= weights[i];
    if (target < 0) break;
  }
  return drawn;
}

}  // namespace

// The longest gradient comes first, ties by index, and each further one is drawn with probability
// proportional to its squared distance to the nearest one taken. Images whose gradients are copies
// of what is taken, such as those without objects, follow at random.
Ranking RankBadge(const RankInput& input) {
  const PoolObjects objects(input);
  const int64_t images = input.candidates.images, n = std::min(input.limit, images);
  Ranking out;
  if (n == 0) return out;
  const SparseGradients gradients(objects, images);
  RandomStream random(input.seed);
  std::vector<double> nearest(images, std::numeric_limits<double>::infinity());
  int64_t next = 0;
  for (int64_t i = 1; i < images; ++i) {
    if (gradients.SquaredLength(i) > gradients.SquaredLength(next)) next = i;
  }
  while (next >= 0 && static_cast<int64_t>(out.order.size()) < n) {
    out.order.push_back(next);
    double sum = 0;
    for (int64_t i = 0; i < images; ++i) {
      if (nearest[i] > 0) nearest[i] = gradients.Distance(i, next, nearest[i]);
      sum += nearest[i];
    }
    next = Draw(nearest, sum, &random);
  }
  std::vector<bool> taken(images, false);
  for (const int64_t image : out.order) taken[image] = true;
  std::vector<int64_t> rest;
  for (int64_t i = 0; i < images; ++i) {
    if (!taken[i]) rest.push_back(i);
  }
  random.Shuffle(&rest);
  out.order.insert(out.order.end(), rest.begin(), rest.end());
  out.order.resize(n);
  return out;
}

}  // namespace mgral::core
