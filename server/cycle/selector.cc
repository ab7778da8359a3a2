// kSelector. Reads TrainedCycle, Examples, all Signals, Table where there is one, and the selector
// of the previous snapshot. Leaves a Queue per strategy, the selector and, as its result,
// RankedPool.
#include <algorithm>

#include "server/cycle/stages.h"
#include "server/cycle/uniform_share.h"
#include "server/domain/strategy.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::SelectionRuntime;
using domain::Strategy;

// A queue holds several batches, not the whole pool: once it is used up, images are drawn at
// random, and the next cycle ranks the pool anew anyway.
constexpr int kBatchesInQueue = 10, kMinQueue = 500, kMaxQueue = 10000;

// The pool's own strategy first, then those that cost little, so that a query may name any of them.
std::vector<Strategy> StrategiesToRank(const std::string& own, bool cold_start, bool has_table,
                                       bool has_embeddings) {
  if (cold_start) return {Strategy::kColdStart, Strategy::kRandom};
  std::vector<Strategy> strategies;
  const auto add = [&](Strategy strategy) {
    const bool there =
        std::find(strategies.begin(), strategies.end(), strategy) != strategies.end();
    const domain::StrategyInfo& info = domain::InfoOf(strategy);
    if (!there && (has_table || !info.needs_table) && (has_embeddings || !info.needs_embeddings)) {
      strategies.push_back(strategy);
    }
  };
  if (const auto named = domain::StrategyNamed(own)) add(*named);
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    if (info.selectable && info.cheap) add(info.strategy);
  }
  return strategies;
}

absl::StatusOr<std::string> PreviousSelector(const StageContext& stage,
                                             const TrainedCycle& trained) {
  if (!trained.inputs.previous || trained.inputs.previous->selector_sha256.empty()) return "";
  return stage.ports.artifacts->Get(trained.inputs.previous->selector_sha256);
}

absl::StatusOr<SelectionRuntime::RankRequest> MakeRequest(const StageContext& stage,
                                                          const TrainedCycle& trained) {
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(EmbeddedPool pool, LoadEmbeddedPool(stage, trained, examples));
  MGRAL_RETURN_IF_ERROR(CheckMissing(stage, trained, pool));
  SelectionRuntime::RankRequest request;
  request.candidates = std::move(pool.candidates);
  request.labeled = std::move(pool.labeled);
  request.labeled_class_counts = CountLabels(stage, examples);
  request.class_ap50 = trained.class_ap50;
  request.batch_size = stage.cycle.pool.selection.batch_size;
  request.limit = std::min(kMaxQueue, std::max(kMinQueue, kBatchesInQueue * request.batch_size));
  MGRAL_ASSIGN_OR_RETURN(request.previous_selector, PreviousSelector(stage, trained));
  request.cost = stage.cycle.pool.selection.cost();
  request.seed = StageSeed(trained.inputs, SeedPurpose::kSelector);
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

// What the table chose alone would teach the next table only what this one believes, so a share is
// drawn at random. The other strategies' order is kept.
RankedQueue MakeQueue(const StageContext& stage, const TrainedCycle& trained,
                      const SelectionRuntime::RankRequest& request,
                      const std::vector<int64_t>& ranked) {
  const bool by_table = domain::InfoOf(request.strategy).needs_table;
  const double share = by_table ? stage.cycle.pool.selection.uniform_share : 0;
  std::vector<int64_t> pool;
  for (const domain::ImageSignals& image : request.candidates) pool.push_back(image.image_key);
  return InterleaveUniform(ranked, pool, share, StageSeed(trained.inputs, SeedPurpose::kUniform));
}

// Stores what a strategy ranked.
absl::Status AddQueue(const StageContext& stage, const std::string& strategy,
                      const RankedQueue& queue, const SelectionRuntime::RankResult& result,
                      RankedPool* ranked) {
  MGRAL_ASSIGN_OR_RETURN(std::string keys, PutArtifact(stage, SerializeQueue(queue)));
  ranked->queues.emplace_back(strategy, std::move(keys));
  if (result.selector.empty()) return absl::OkStatus();
  MGRAL_ASSIGN_OR_RETURN(ranked->selector_sha256, PutArtifact(stage, result.selector));
  ranked->selector_gain = result.selector_gain;
  ranked->greedy_gain = result.greedy_gain;
  return absl::OkStatus();
}

}  // namespace

StageResult RunSelector(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(SelectionRuntime::RankRequest request, MakeRequest(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(const auto table, LoadTable(stage));
  if (table) request.table = &*table;
  // An external detector may give none.
  const bool has_embeddings =
      request.candidates.empty() || !request.candidates.front().embedding.empty();
  const std::vector<Strategy> strategies = StrategiesToRank(
      stage.cycle.pool.selection.strategy, trained.cold_start, table.has_value(), has_embeddings);
  RankedPool ranked;
  StageOutcome outcome;
  for (size_t i = 0; i < strategies.size(); ++i) {
    request.strategy = strategies[i];
    const domain::Progress progress = ShareOf(stage.progress, i, strategies.size());
    if (!progress(0)) return absl::CancelledError("the work was asked to stop");
    MGRAL_ASSIGN_OR_RETURN(const auto result, stage.ports.selection->Rank(request, progress));
    const RankedQueue queue = MakeQueue(stage, trained, request, result.image_keys);
    MGRAL_RETURN_IF_ERROR(AddQueue(stage, domain::NameOf(strategies[i]), queue, result, &ranked));
    outcome.metrics.insert(outcome.metrics.end(), result.metrics.begin(), result.metrics.end());
  }
  MGRAL_ASSIGN_OR_RETURN(outcome.result, SerializeRankedPool(ranked));
  outcome.next = {{JobKind::kPublish, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
