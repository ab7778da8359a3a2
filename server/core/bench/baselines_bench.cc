// Baselines over 100,000 images of 128 dimensions, with five objects each, 1,000 picks.
// numpy_baselines.py runs this beside NumPy.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <string>
#include <thread>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr int64_t kImages = 100000, kDim = 128, kTaken = 1000, kClusters = 64, kClasses = 20;
constexpr int64_t kObjects = 5, kObjectDim = 32;

RankInput Pool(bool clustered) {
  RandomStream random(1);
  RankInput input;
  ImageSignals& candidates = input.candidates;
  candidates.images = kImages;
  candidates.classes = kClasses;
  candidates.dim = kDim;
  candidates.embeddings.resize(kImages * kDim);
  std::vector<float> center(kClusters * kDim);
  for (float& value : center) value = static_cast<float>(clustered ? 2 * random.Normal() : 0);
  for (int64_t i = 0; i < kImages * kDim; ++i) {
    candidates.embeddings[i] =
        center[i / kDim % kClusters * kDim + i % kDim] + static_cast<float>(random.Normal());
  }
  input.objects.dim = kObjectDim;
  for (int64_t i = 0; i < kImages; ++i) {
    std::vector<ScoredBox>& boxes = input.predictions.emplace_back();
    for (int64_t k = 0; k < kObjects; ++k) {
      boxes.push_back(
          {0, 0, 10, 10, static_cast<int32_t>(random.Below(kClasses)), random.Uniform()});
      for (int64_t j = 0; j < kObjectDim; ++j) {
        input.objects.values.push_back(static_cast<int8_t>(random.Below(255) - 127));
      }
    }
    input.objects.first.push_back(i * kObjects);
  }
  input.objects.first.push_back(kImages * kObjects);
  input.class_ap.assign(kClasses, 0.5);
  input.batch_size = kTaken;
  input.limit = kTaken;
  return input;
}

void Baseline(benchmark::State& state, const std::string& strategy, bool clustered) {
  const RankInput input = Pool(clustered);
  for (auto _ : state) benchmark::DoNotOptimize(Rank(strategy, input));
}

#define MGRAL_BASELINE(strategy, clustered)                                            \
  BENCHMARK_CAPTURE(Baseline, strategy##_##clustered, #strategy, #clustered[0] == 'c') \
      ->MeasureProcessCPUTime()                                                        \
      ->Unit(benchmark::kMillisecond)                                                  \
      ->Iterations(1)
MGRAL_BASELINE(core_set, uniform);
MGRAL_BASELINE(max_herding, uniform);
MGRAL_BASELINE(max_herding, clustered);
MGRAL_BASELINE(random_deduplicated, uniform);
MGRAL_BASELINE(random_deduplicated, clustered);
MGRAL_BASELINE(badge, uniform);
MGRAL_BASELINE(ppal, uniform);

}  // namespace
}  // namespace mgral::core

int main(int argc, char** argv) {
  at::set_num_threads(static_cast<int>(std::thread::hardware_concurrency()));
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
