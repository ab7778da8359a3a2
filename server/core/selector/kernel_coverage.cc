#include "server/core/selector/kernel_coverage.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <numeric>

#include "server/core/lookup/distance.h"
#include "server/core/random.h"
#include "server/core/target_clones.h"

namespace mgral::core {
namespace {

constexpr int64_t kLanes = 64;  // targets side by side: as many sums as fill the vector registers
constexpr int64_t kAtOnce = 8;  // centers that share a block in the first cache
constexpr int64_t kLeastPerThread = 32;
constexpr int64_t kDistancesForWidth = 2000;

// 2^-x of the x >= 0 there, to 3e-6 of itself, by arithmetic that vectorizes.
inline __attribute__((always_inline)) void PowersOfHalf(float* x) {
  // Of 2^-y for y in [0, 1): the polynomial whose largest relative error is smallest.
  constexpr float k0 = 0.999997407f, k1 = 0.693030204f, k2 = 0.239341075f, k3 = 0.0530740616f,
                  k4 = 0.006767079f;
  int32_t bits[kLanes];
  float power[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    const float limited = x[l] < 126.0f ? x[l] : 126.0f;
    const int32_t whole = static_cast<int32_t>(limited);
    const float y = limited - static_cast<float>(whole);
    x[l] = k0 - y * (k1 - y * (k2 - y * (k3 - y * k4)));
    bits[l] = (127 - whole) << 23;
  }
  std::memcpy(power, bits, sizeof(power));
  for (int64_t l = 0; l < kLanes; ++l) x[l] *= power[l];
}

// Kernels of `point` with the targets of a block [dim, kLanes]. `scale`: 1 / (m^2 ln 2).
inline __attribute__((always_inline)) void BlockKernel(const float* point, const float* block,
                                                       int64_t dim, float scale, float* kernel) {
  float distance[kLanes] = {};
  for (int64_t j = 0; j < dim; ++j) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const float difference = point[j] - block[j * kLanes + l];
      distance[l] += difference * difference;
    }
  }
  for (int64_t l = 0; l < kLanes; ++l) kernel[l] = distance[l] * scale;
  PowersOfHalf(kernel);
}

// Adds to the partial sums `lanes` [points, kLanes].
MGRAL_TARGET_CLONES void AddGains(const float* const* points, int64_t count, const float* blocks,
                                  const float* covered, int64_t num_blocks, int64_t dim,
                                  float scale, float* lanes) {
  float kernel[kLanes];
  for (int64_t b = 0; b < num_blocks; ++b) {
    for (int64_t p = 0; p < count; ++p) {
      BlockKernel(points[p], blocks + b * dim * kLanes, dim, scale, kernel);
      for (int64_t l = 0; l < kLanes; ++l) {
        const float gain = kernel[l] - covered[b * kLanes + l];
        lanes[p * kLanes + l] += gain > 0 ? gain : 0;
      }
    }
  }
}

MGRAL_TARGET_CLONES void RaiseCovered(const float* point, const float* blocks, int64_t num_blocks,
                                      int64_t dim, float scale, float* covered) {
  float kernel[kLanes];
  for (int64_t b = 0; b < num_blocks; ++b) {
    BlockKernel(point, blocks + b * dim * kLanes, dim, scale, kernel);
    for (int64_t l = 0; l < kLanes; ++l) {
      float& now = covered[b * kLanes + l];
      now = kernel[l] > now ? kernel[l] : now;
    }
  }
}

}  // namespace

KernelCoverage::KernelCoverage(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                               uint64_t seed)
    : dim_(dim) {
  std::vector<int64_t> rows(images);
  std::iota(rows.begin(), rows.end(), 0);
  if (images > kTargets) {
    RandomStream(seed).Shuffle(&rows);
    rows.resize(kTargets);
    std::sort(rows.begin(), rows.end());
  }
  targets_ = static_cast<int64_t>(rows.size());
  blocks_ = (targets_ + kLanes - 1) / kLanes;
  interleaved_.resize(blocks_ * dim * kLanes);
  covered_.assign(blocks_ * kLanes, 1.0f);
  std::fill(covered_.begin(), covered_.begin() + targets_, 0.0f);
  std::vector<float> targets;
  for (int64_t t = 0; t < targets_; ++t) {
    const float* row = &embeddings[rows[t] * dim];
    targets.insert(targets.end(), row, row + dim);
    for (int64_t j = 0; j < dim; ++j) {
      interleaved_[(t / kLanes * dim + j) * kLanes + t % kLanes] = row[j];
    }
  }
  SetWidth(targets, seed);
}

void KernelCoverage::SetWidth(const std::vector<float>& targets, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> distances;
  for (int64_t k = 0; k < kDistancesForWidth && targets_ > 1; ++k) {
    const int64_t a = random.Below(targets_);
    const int64_t b = (a + 1 + random.Below(targets_ - 1)) % targets_;
    distances.push_back(SquaredDistance(&targets[a * dim_], &targets[b * dim_], dim_));
  }
  if (distances.empty()) return;
  const auto middle = distances.begin() + static_cast<int64_t>(distances.size()) / 2;
  std::nth_element(distances.begin(), middle, distances.end());
  if (*middle > 0) scale_ = 1.44269504f / *middle;
}

std::vector<double> KernelCoverage::Gains(const std::vector<const float*>& centers) const {
  const int64_t count = static_cast<int64_t>(centers.size());
  std::vector<float> lanes(count * kLanes, 0.0f);
  const auto add = [&](int64_t begin, int64_t end) {
    for (; begin < end; begin += kAtOnce) {
      AddGains(&centers[begin], std::min(kAtOnce, end - begin), interleaved_.data(),
               covered_.data(), blocks_, dim_, scale_, &lanes[begin * kLanes]);
    }
  };
  // Each center's sum is its own: the number of threads changes nothing.
  const int64_t share = std::max(kLeastPerThread, count / at::get_num_threads() + 1);
  std::vector<std::future<void>> others;
  for (int64_t begin = share; begin < count; begin += share) {
    others.push_back(std::async(std::launch::async, add, begin, std::min(count, begin + share)));
  }
  add(0, std::min(count, share));
  for (std::future<void>& other : others) other.get();
  std::vector<double> gains;
  for (auto row = lanes.begin(); row != lanes.end(); row += kLanes) {
    gains.push_back(std::accumulate(row, row + kLanes, 0.0));
  }
  return gains;
}

void KernelCoverage::Add(const float* center) {
  RaiseCovered(center, interleaved_.data(), blocks_, dim_, scale_, covered_.data());
}

}  // namespace mgral::core
