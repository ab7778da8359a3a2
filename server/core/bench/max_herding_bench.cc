// MaxHerding over 100,000 images of 128 dimensions, 1,000 picks. numpy_selection.py runs it beside
// NumPy.
#include <benchmark/benchmark.h>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr int64_t kImages = 100000, kDim = 128, kTaken = 1000, kClusters = 64;

std::vector<float> Embeddings(bool clustered) {
  RandomStream random(1);
  std::vector<float> center(kClusters * kDim), out(kImages * kDim);
  for (float& value : center) value = static_cast<float>(clustered ? 2 * random.Normal() : 0);
  for (int64_t i = 0; i < kImages * kDim; ++i) {
    out[i] = center[i / kDim % kClusters * kDim + i % kDim] + static_cast<float>(random.Normal());
  }
  return out;
}

void MaxHerdingGreedy(benchmark::State& state) {
  const std::vector<float> embeddings = Embeddings(state.range(0) != 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(MaxHerding(embeddings, kImages, kDim, {}, kTaken, 1));
  }
}
BENCHMARK(MaxHerdingGreedy)
    ->ArgName("clustered")
    ->Arg(1)
    ->Arg(0)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

void RandomDeduplicated(benchmark::State& state) {
  RankInput input;
  input.candidates.images = kImages;
  input.candidates.dim = kDim;
  input.candidates.embeddings = Embeddings(state.range(0) != 0);
  input.limit = kTaken;
  for (auto _ : state) benchmark::DoNotOptimize(Rank("random_deduplicated", input));
}
BENCHMARK(RandomDeduplicated)
    ->ArgName("clustered")
    ->Arg(1)
    ->Arg(0)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace
}  // namespace mgral::core

BENCHMARK_MAIN();
