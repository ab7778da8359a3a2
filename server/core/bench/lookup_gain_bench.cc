// Batch rewards per second of one core: gain(S) for |S| = 100 (target: at least 1e5).
#include <benchmark/benchmark.h>

#include "server/core/bench/lookup_bench_table.h"
#include "server/core/lookup/batch_state.h"

namespace mgral::core {
namespace {

void GainOfBatch(benchmark::State& state) {
  const BenchTable bench(state.range(0), 64, state.range(1));
  GainEvaluator evaluator(bench.table);
  RandomStream random(3);
  std::vector<int64_t> batches(100 * 256);
  for (int64_t& image : batches) image = random.Below(bench.table.images);
  int64_t b = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(evaluator.Gain(&batches[100 * b], 100));
    b = (b + 1) % 256;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(GainOfBatch)->ArgNames({"images", "classes"})->Args({1000, 6})->Args({100000, 20});

void MarginalOfImage(benchmark::State& state) {
  const BenchTable bench(100000, 64, state.range(0));
  BatchState batch(bench.table);
  for (int64_t i = 0; i < 50; ++i) batch.Add(i * 997);
  int64_t image = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(batch.Marginal(image));
    image = (image + 7919) % bench.table.images;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(MarginalOfImage)->ArgName("classes")->Arg(6)->Arg(20);

}  // namespace
}  // namespace mgral::core

BENCHMARK_MAIN();
