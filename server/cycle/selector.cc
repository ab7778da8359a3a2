#include <algorithm>

#include "nlohmann/json.hpp"
#include "server/cycle/ranked_pool.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::ModelRuntime;

// A queue is as long as several batches, not as the pool: what comes after is drawn at random, and
// the next cycle knows better anyway.
constexpr int kBatchesInQueue = 10, kLeastQueue = 500, kMostQueue = 10000;

// The pool's own strategy first, then the cheap ones, so that a query may name any of them.
std::vector<std::string> Strategies(const std::string& own, bool cold_start, bool has_table) {
  if (cold_start) return {"cold_start", "random"};
  std::vector<std::string> strategies;
  if (has_table || (own != "mgral" && own != "lookup_greedy")) strategies.push_back(own);
  if (has_table) strategies.push_back("lookup_greedy");
  for (const char* cheap : {"entropy", "margin", "core_set", "random"}) {
    strategies.push_back(cheap);
  }
  std::vector<std::string> distinct;
  for (const std::string& strategy : strategies) {
    if (std::find(distinct.begin(), distinct.end(), strategy) == distinct.end()) {
      distinct.push_back(strategy);
    }
  }
  return distinct;
}

absl::StatusOr<std::string> PreviousSelector(const StageContext& stage,
                                             const TrainedCycle& trained) {
  if (!trained.inputs.previous || trained.inputs.previous->selector_sha256.empty()) return "";
  return stage.ports.artifacts->Get(trained.inputs.previous->selector_sha256);
}

absl::StatusOr<ModelRuntime::RankRequest> MakeRequest(const StageContext& stage,
                                                      const TrainedCycle& trained) {
  const auto examples = LoadExamples(stage.ports, trained.inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  auto pool = LoadPool(stage, *examples);
  if (!pool.ok()) return pool.status();
  auto selector = PreviousSelector(stage, trained);
  if (!selector.ok()) return selector.status();
  ModelRuntime::RankRequest request;
  request.candidates = std::move(pool->candidates);
  request.labeled = std::move(pool->labeled);
  request.batch_size = stage.cycle.pool.selection.batch_size;
  request.limit = std::min(kMostQueue, std::max(kLeastQueue, kBatchesInQueue * request.batch_size));
  request.previous_selector = *std::move(selector);
  request.seed = StageSeed(trained.inputs, SeedPlace::kSelector);
  return request;
}

// The pool's own strategy is ranked first and may take long, the others don't.
domain::Progress ShareOf(const domain::Progress& progress, size_t index, size_t count) {
  const double begin = index == 0 ? 0 : 0.8 + 0.2 * index / count;
  const double width = index == 0 ? 0.8 : 0.2 / count;
  return [&progress, begin, width](double fraction) {
    return !progress || progress(begin + width * fraction);
  };
}

}  // namespace

StageResult RunSelector(const StageContext& stage) {
  const auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  auto request = MakeRequest(stage, *trained);
  if (!request.ok()) return request.status();
  const auto table = LoadTable(stage);
  if (!table.ok()) return table.status();
  if (table->has_value()) request->table = &**table;

  const std::vector<std::string> strategies =
      Strategies(stage.cycle.pool.selection.strategy, trained->cold_start, table->has_value());
  RankedPool ranked;
  StageOutcome outcome;
  for (size_t i = 0; i < strategies.size(); ++i) {
    request->strategy = strategies[i];
    const domain::Progress progress = ShareOf(stage.progress, i, strategies.size());
    if (!progress(0)) return absl::CancelledError("the work was asked to stop");
    auto result = stage.ports.runtime->Rank(*request, progress);
    if (!result.ok()) return result.status();
    const auto keys = stage.ports.artifacts->Put(WriteKeys(result->image_keys));
    if (!keys.ok()) return keys.status();
    ranked.queues.push_back({strategies[i], *keys});
    if (!result->selector.empty()) {
      auto selector = stage.ports.artifacts->Put(result->selector);
      if (!selector.ok()) return selector.status();
      ranked.selector_sha256 = *std::move(selector);
      ranked.selector_gain = result->selector_gain;
      ranked.greedy_gain = result->greedy_gain;
    }
    outcome.metrics.insert(outcome.metrics.end(), result->metrics.begin(), result->metrics.end());
  }
  outcome.result = ToJson(ranked);
  outcome.next = {{JobKind::kPublish, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
