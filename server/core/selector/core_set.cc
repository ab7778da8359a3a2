#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "server/core/lookup/distance.h"
#include "server/core/selector/check_selection.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

struct Bound {
  float distance;  // squared, to the nearest center looked at so far: never too small
  int64_t image;
};

// The largest distance on top, the lower index on ties.
struct Nearer {
  bool operator()(const Bound& a, const Bound& b) const {
    return a.distance != b.distance ? a.distance < b.distance : a.image > b.image;
  }
};

int64_t NearestToMean(const std::vector<float>& embeddings, int64_t images, int64_t dim) {
  std::vector<double> sums(dim, 0.0);
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t j = 0; j < dim; ++j) sums[j] += embeddings[i * dim + j];
  }
  std::vector<float> mean(dim);
  for (int64_t j = 0; j < dim; ++j) {
    mean[j] = static_cast<float>(sums[j] / static_cast<double>(images));
  }
  int64_t nearest = 0;
  NearestRow(mean.data(), embeddings.data(), images, dim, std::numeric_limits<float>::infinity(),
             &nearest);
  return nearest;
}

}  // namespace

std::vector<int64_t> KCenterGreedy(const std::vector<float>& embeddings, int64_t images,
                                   int64_t dim, const std::vector<float>& labeled, int64_t n) {
  const int64_t known = CheckSpread(embeddings, images, dim, labeled, n);
  n = std::min(n, images);
  std::vector<int64_t> order;
  if (n == 0) return order;

  std::vector<float> centers = labeled;  // [m + taken, dim], grows
  centers.reserve((known + n) * dim);
  const auto take = [&](int64_t image) {
    order.push_back(image);
    centers.insert(centers.end(), &embeddings[image * dim], &embeddings[image * dim] + dim);
  };
  if (known == 0) take(NearestToMean(embeddings, images, dim));

  std::vector<int64_t> looked_at(images, 0);  // how many centers the image's bound knows
  std::vector<Bound> bounds;
  for (int64_t i = 0; i < images; ++i) {
    if (order.empty() || i != order[0]) {
      bounds.push_back({std::numeric_limits<float>::infinity(), i});
    }
  }
  std::priority_queue<Bound, std::vector<Bound>, Nearer> queue(Nearer(), std::move(bounds));
  while (static_cast<int64_t>(order.size()) < n) {
    Bound top = queue.top();
    queue.pop();
    const int64_t count = static_cast<int64_t>(centers.size()) / dim;
    int64_t& seen = looked_at[top.image];
    int64_t row = 0;
    top.distance = NearestRow(&embeddings[top.image * dim], centers.data() + seen * dim,
                              count - seen, dim, top.distance, &row);
    seen = count;
    // Bounds only shrink: whoever still leads with all centers looked at is the farthest.
    if (queue.empty() || !Nearer()(top, queue.top())) {
      take(top.image);
    } else {
      queue.push(top);
    }
  }
  return order;
}

Ranking RankCoreSet(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  Ranking out;
  out.order = KCenterGreedy(candidates.embeddings, candidates.images, candidates.dim,
                            input.labeled_embeddings, input.limit);
  return out;
}

}  // namespace mgral::core
