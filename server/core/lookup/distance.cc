#include "server/core/lookup/distance.h"

#include "server/core/target_clones.h"

namespace mgral::core {
namespace {

// Independent partial sums, so that the compiler may use vector registers without reordering.
inline __attribute__((always_inline)) float Distance(const float* a, const float* b, int64_t dim) {
  constexpr int kLanes = 32;
  float lanes[kLanes] = {};
  int64_t j = 0;
  for (; j + kLanes <= dim; j += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float difference = a[j + l] - b[j + l];
      lanes[l] += difference * difference;
    }
  }
  for (; j < dim; ++j) {
    const float difference = a[j] - b[j];
    lanes[j % kLanes] += difference * difference;
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

}  // namespace

MGRAL_TARGET_CLONES float SquaredDistance(const float* a, const float* b, int64_t dim) {
  return Distance(a, b, dim);
}

MGRAL_TARGET_CLONES float NearestRow(const float* point, const float* rows, int64_t count,
                                     int64_t dim, float bound, int64_t* nearest) {
  for (int64_t r = 0; r < count; ++r) {
    const float distance = Distance(point, rows + r * dim, dim);
    if (distance < bound) {
      bound = distance;
      *nearest = r;
    }
  }
  return bound;
}

}  // namespace mgral::core
