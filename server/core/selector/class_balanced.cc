#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <utility>
#include <vector>

#include "server/core/selector/check_selection.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

// What an image would add to the sum over c of log(1 + n_c): log(1 + e_c / (1 + n_c)) per class.
double BalanceGain(const float* expected, const std::vector<double>& objects) {
  double gain = 0, product = 0;  // of the factors 1 + e_c / (1 + n_c), less 1
  for (size_t c = 0; c < objects.size(); ++c) {
    product += (1 + product) * (expected[c] / (1 + objects[c]));
    if (product > 1e200) {
      gain += std::log1p(product);
      product = 0;
    }
  }
  return gain + std::log1p(product);
}

struct BalanceBound {
  double gain;  // never too small: gains only fall
  int64_t image;
  int64_t position;  // of the image among those sorted by what is expected in them
};

// The largest gain on top, the lower index on ties.
struct AddsLess {
  bool operator()(const BalanceBound& a, const BalanceBound& b) const {
    return a.gain != b.gain ? a.gain < b.gain : a.image > b.image;
  }
};

void CheckClassBalanced(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  CheckEmbeddings(candidates.expected_objects, candidates.images, candidates.classes,
                  "expected_objects");
  for (float value : candidates.expected_objects) {
    if (value < 0) throw std::invalid_argument("expected_objects: holds a negative value");
  }
  if (static_cast<int64_t>(input.labeled_objects.size()) != candidates.classes) {
    throw std::invalid_argument("labeled_objects: wants one value per class");
  }
  for (double count : input.labeled_objects) {
    if (!std::isfinite(count) || count < 0) {
      throw std::invalid_argument("labeled_objects: holds a value that is negative or not finite");
    }
  }
}

}  // namespace

// Lazy: gains are upper bounds until an image comes to the top. Of images in which the same is
// expected, which a detector without scores leaves many of, only the first waits in the queue.
Ranking RankClassBalanced(const RankInput& input) {
  CheckClassBalanced(input);
  const int64_t images = input.candidates.images, classes = input.candidates.classes;
  const auto row = [&](int64_t image) {
    return input.candidates.expected_objects.data() + image * classes;
  };
  std::vector<int64_t> sorted(images);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::stable_sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) {
    return std::lexicographical_compare(row(a), row(a) + classes, row(b), row(b) + classes);
  });
  const auto repeats = [&](int64_t p) {
    return std::equal(row(sorted[p]), row(sorted[p]) + classes, row(sorted[p - 1]));
  };

  std::vector<double> objects = input.labeled_objects;  // [C], and those expected in what is taken
  std::vector<BalanceBound> bounds;
  for (int64_t p = 0; p < images; ++p) {
    if (p > 0 && repeats(p)) continue;
    bounds.push_back({BalanceGain(row(sorted[p]), objects), sorted[p], p});
  }
  std::priority_queue<BalanceBound, std::vector<BalanceBound>, AddsLess> queue(AddsLess(),
                                                                               std::move(bounds));
  Ranking out;
  const int64_t n = std::min(input.limit, images);
  while (static_cast<int64_t>(out.order.size()) < n) {
    BalanceBound top = queue.top();
    queue.pop();
    top.gain = BalanceGain(row(top.image), objects);
    if (!queue.empty() && AddsLess()(top, queue.top())) {
      queue.push(top);
      continue;
    }
    out.order.push_back(top.image);
    for (int64_t c = 0; c < classes; ++c) objects[c] += row(top.image)[c];
    const int64_t next = top.position + 1;
    if (next < images && repeats(next)) queue.push({top.gain, sorted[next], next});
  }
  return out;
}

}  // namespace mgral::core
