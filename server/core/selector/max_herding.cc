#include <algorithm>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "server/core/selector/check_selection.h"
#include "server/core/selector/kernel_coverage.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

// Images whose gains are computed together: at first, and, doubled each time that the best of them
// may not be the best of all, at most.
constexpr size_t kFewGains = 8, kManyGains = 4096;

struct HerdingBound {
  double gain;  // never too small
  int64_t image;
  int64_t centers;  // taken when the gain was computed
};

// The largest gain on top, the lower index on ties.
struct CoversLess {
  bool operator()(const HerdingBound& a, const HerdingBound& b) const {
    return a.gain != b.gain ? a.gain < b.gain : a.image > b.image;
  }
};

using HerdingQueue = std::priority_queue<HerdingBound, std::vector<HerdingBound>, CoversLess>;

// Takes the image with the largest gain off the queue.
int64_t PopBest(const KernelCoverage& coverage, const float* embeddings, int64_t dim,
                int64_t centers, HerdingQueue* queue) {
  for (size_t most = kFewGains; queue->top().centers != centers;
       most = std::min(2 * most, kManyGains)) {
    std::vector<HerdingBound> stale;
    std::vector<const float*> rows;
    while (!queue->empty() && stale.size() < most && queue->top().centers != centers) {
      stale.push_back(queue->top());
      rows.push_back(embeddings + stale.back().image * dim);
      queue->pop();
    }
    const std::vector<double> gains = coverage.Gains(rows);
    for (size_t k = 0; k < stale.size(); ++k) queue->push({gains[k], stale[k].image, centers});
  }
  const int64_t image = queue->top().image;
  queue->pop();
  return image;
}

}  // namespace

std::vector<int64_t> MaxHerding(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                                const std::vector<float>& labeled, int64_t n, uint64_t seed) {
  const int64_t known = CheckSpread(embeddings, images, dim, labeled, n);
  n = std::min(n, images);
  std::vector<int64_t> order;
  if (n == 0) return order;

  KernelCoverage coverage(embeddings, images, dim, seed);
  for (int64_t m = 0; m < known; ++m) coverage.Add(&labeled[m * dim]);
  std::vector<HerdingBound> bounds;
  for (int64_t i = 0; i < images; ++i) {
    bounds.push_back({std::numeric_limits<double>::infinity(), i, -1});
  }
  HerdingQueue queue(CoversLess(), std::move(bounds));
  while (static_cast<int64_t>(order.size()) < n) {
    order.push_back(
        PopBest(coverage, embeddings.data(), dim, static_cast<int64_t>(order.size()), &queue));
    coverage.Add(&embeddings[order.back() * dim]);
  }
  return order;
}

Ranking RankMaxHerding(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  Ranking out;
  out.order = MaxHerding(candidates.embeddings, candidates.images, candidates.dim,
                         input.labeled_embeddings, input.limit, input.seed);
  return out;
}

}  // namespace mgral::core
