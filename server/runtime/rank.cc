#include <algorithm>
#include <cmath>
#include <optional>

#include "server/base/errors.h"
#include "server/core/selector/policy.h"
#include "server/core/selector/select_queue.h"
#include "server/core/selector/strategies.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/margin.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/table_entry.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using RankRequest = domain::ModelRuntime::RankRequest;
using RankResult = domain::ModelRuntime::RankResult;

core::PolicyParameters PreviousPolicy(const std::string& bytes) {
  if (bytes.empty()) return {};
  try {
    return core::PolicyParameters::Parse(bytes);
  } catch (const std::exception&) {
    return {};  // of an earlier release: a warm start is not worth failing for
  }
}

// The policy's queue of a few batches, continued by the table's greedy order.
std::vector<int64_t> RankByPolicy(const RankRequest& request, const core::LookupTable& table,
                                  const core::ImageSignals& candidates, int64_t n,
                                  const domain::Progress& progress, RankResult* result) {
  core::SelectorOptions options;
  options.batch_size = std::min<int64_t>(request.batch_size, candidates.images);
  options.queue_limit = std::min<int64_t>(n, 4 * options.batch_size);
  options.seed = request.seed;
  core::Selection selection = core::SelectQueue(
      table, candidates.embeddings, options, PreviousPolicy(request.previous_selector),
      [&](double fraction) { return !progress || progress(fraction); });
  const core::QueueReport& report = selection.queue.report;
  result->selector = selection.policy.Serialize();
  result->selector_gain = report.gain;
  result->greedy_gain = report.greedy_gain;
  result->metrics = {{"selector_gain", report.gain},
                     {"greedy_gain", report.greedy_gain},
                     {"rollout_gain", report.rollout_gain},
                     {"agent_won", report.agent_won ? 1.0 : 0.0},
                     {"updates", static_cast<double>(report.updates)}};
  std::vector<int64_t> order = std::move(selection.queue.order);
  const int64_t rest = n - static_cast<int64_t>(order.size());
  if (rest > 0) {
    const std::vector<int64_t> more = core::ContinueLookupGreedy(table, order, rest);
    order.insert(order.end(), more.begin(), more.end());
  }
  return order;
}

absl::StatusOr<std::vector<int64_t>> Order(const RankRequest& request,
                                           const core::ImageSignals& candidates,
                                           const std::optional<core::LookupTable>& table,
                                           const domain::Progress& progress, RankResult* result) {
  const int64_t n = std::min<int64_t>(candidates.images, std::max(0, request.limit));
  const std::string& strategy = request.strategy;
  if (strategy == "random") return core::RankRandom(candidates.images, n, request.seed);
  if (strategy == "entropy") {
    return core::RankEntropy(candidates.uncertainty, candidates.images, candidates.classes, n);
  }
  if (strategy == "margin") return core::RankMargin(ImageMargins(request.candidates), n);
  if (strategy == "core_set") {
    return core::RankCoreSet(candidates.embeddings, candidates.images, candidates.dim,
                             Embeddings(request.labeled, candidates.dim), n);
  }
  if (strategy == "cold_start") {
    return core::ColdStart(candidates.embeddings, candidates.images, candidates.dim, n);
  }
  if (strategy == "lookup_greedy") return core::RankLookupGreedy(*table, n);
  return RankByPolicy(request, *table, candidates, n, progress, result);
}

absl::StatusOr<RankResult> RankImages(const RankRequest& request, TableCache* tables,
                                      const domain::Progress& progress) {
  RankResult result;
  if (request.candidates.empty()) return result;
  const int classes = static_cast<int>(request.candidates[0].uncertainty.size());
  const auto candidates = ToCore(request.candidates, classes);
  if (!candidates.ok()) return candidates.status();
  std::optional<core::LookupTable> table;
  if (request.strategy == "mgral" || request.strategy == "lookup_greedy") {
    if (request.table == nullptr || request.table->entries.size() != request.candidates.size()) {
      return absl::InvalidArgumentError(request.strategy + " needs a table of the candidates");
    }
    auto assembled = Assemble(*tables->Get(request.table->table), request.table->entries);
    if (!assembled.ok()) return assembled.status();
    core::CheckTable(*assembled);
    table = *std::move(assembled);
  } else if (request.strategy != "random" && request.strategy != "entropy" &&
             request.strategy != "margin" && request.strategy != "core_set" &&
             request.strategy != "cold_start") {
    return base::InvalidField("strategy", "is unknown: " + request.strategy);
  }
  const auto order = Order(request, *candidates, table, progress, &result);
  if (!order.ok()) return order.status();
  for (const int64_t index : *order) {
    result.image_keys.push_back(request.candidates[index].image_key);
  }
  return result;
}

}  // namespace

absl::StatusOr<RankResult> TorchRuntime::Rank(const RankRequest& request,
                                              const domain::Progress& progress) {
  return device_->Run([&] { return RankImages(request, tables_.get(), progress); });
}

}  // namespace mgral::runtime
