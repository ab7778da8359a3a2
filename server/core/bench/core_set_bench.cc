// Greedy k-center over 100,000 images of 128 dimensions, 1,000 picks, beside the
// definition (one pass over all images per image taken) in the same run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <limits>

#include "server/core/lookup/distance.h"
#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr int64_t kImages = 100000, kDim = 128, kTaken = 1000;

std::vector<float> Embeddings(bool clustered) {
  RandomStream random(1);
  std::vector<float> center(64 * kDim), out(kImages * kDim);
  for (float& value : center) value = static_cast<float>(clustered ? 2 * random.Normal() : 0);
  for (int64_t i = 0; i < kImages; ++i) {
    for (int64_t j = 0; j < kDim; ++j) {
      out[i * kDim + j] = center[i % 64 * kDim + j] + static_cast<float>(random.Normal());
    }
  }
  return out;
}

void CoreSet(benchmark::State& state) {
  const std::vector<float> embeddings = Embeddings(state.range(0) != 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(KCenterGreedy(embeddings, kImages, kDim, {}, kTaken));
  }
}
BENCHMARK(CoreSet)
    ->ArgName("clustered")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

void CoreSetByPasses(benchmark::State& state) {
  const std::vector<float> embeddings = Embeddings(state.range(0) != 0);
  std::vector<float> nearest(kImages);
  for (auto _ : state) {
    std::fill(nearest.begin(), nearest.end(), std::numeric_limits<float>::infinity());
    int64_t taken = 0;
    for (int64_t n = 0; n < kTaken; ++n) {
      for (int64_t i = 0; i < kImages; ++i) {
        nearest[i] = std::min(
            nearest[i], SquaredDistance(&embeddings[i * kDim], &embeddings[taken * kDim], kDim));
      }
      taken = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
    }
    benchmark::DoNotOptimize(taken);
  }
}
BENCHMARK(CoreSetByPasses)
    ->ArgName("clustered")
    ->Arg(0)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace
}  // namespace mgral::core

BENCHMARK_MAIN();
