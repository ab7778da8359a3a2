// Training and decoding of the selector beside lookup_greedy. Prints one JSON object per line.
// Usage: selector_bench [images batch classes]; default: 200 x 20 and 100000 x 1000.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "server/core/bench/lookup_bench_table.h"
#include "server/core/selector/select_queue.h"
#include "server/core/selector/strategies.h"
#include "server/core/selector/train_policy.h"

namespace {

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

void Measure(int64_t images, int64_t batch, int64_t classes) {
  using mgral::core::BenchTable;
  auto start = std::chrono::steady_clock::now();
  const BenchTable bench(images, mgral::core::ChooseCellCount(images), classes);
  const double table = Seconds(start);
  mgral::core::SelectorOptions options;
  options.batch_size = batch;
  options.queue_limit = batch;
  options.seed = 1;
  start = std::chrono::steady_clock::now();
  const auto policy = mgral::core::TrainPolicy(bench.table, bench.embeddings, options);
  const double train = Seconds(start);
  start = std::chrono::steady_clock::now();
  const auto queue = mgral::core::DecodeQueue(bench.table, bench.embeddings, policy, options);
  const double decode = Seconds(start);
  start = std::chrono::steady_clock::now();
  mgral::core::ContinueLookupGreedy(bench.table, {}, batch);
  const double greedy = Seconds(start);
  std::printf(
      "{\"images\": %ld, \"batch\": %ld, \"classes\": %ld, \"cluster_and_table_s\": %.3f, "
      "\"train_s\": %.3f, \"decode_s\": %.3f, \"greedy_s\": %.3f, \"updates\": %ld, "
      "\"gain\": %.6f, \"greedy_gain\": %.6f, \"rollout_gain\": %.6f, \"policy_won\": %s}\n",
      static_cast<long>(images), static_cast<long>(batch), static_cast<long>(classes), table, train,
      decode, greedy, static_cast<long>(policy.updates), queue.report.gain,
      queue.report.greedy_gain, queue.report.rollout_gain,
      queue.report.policy_won ? "true" : "false");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) {
    Measure(std::atol(argv[1]), std::atol(argv[2]), std::atol(argv[3]));
    return 0;
  }
  Measure(200, 20, 6);
  Measure(100000, 1000, 20);
}
