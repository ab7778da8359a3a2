#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "server/core/lookup/table_entry.h"
#include "server/core/selector/strategies.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/torch_runtime.h"

// The methods of SelectionRuntime: conversion around what server/core does.
namespace mgral::runtime {
namespace {

domain::TableReport Report(const domain::SelectionRuntime::TableRequest& request,
                           const core::LookupTable& table) {
  domain::TableReport report;
  double seconds = 0;
  for (size_t i = 0; i < request.plan.probes.size(); ++i) {
    const domain::ProbeBatch& probe = request.plan.probes[i];
    seconds += request.responses[i].seconds;
    if (!probe.control) ++(probe.replay ? report.replay_probes : report.probes);
  }
  if (!request.responses.empty()) report.seconds_per_probe = seconds / request.responses.size();
  const auto known = [](double value) { return std::isfinite(value) ? value : 0.0; };
  report.cells = table.cells.count;
  if (std::isfinite(table.fidelity.fidelity)) report.fidelity = table.fidelity.fidelity;
  report.response_fidelity = known(table.fidelity.response_fidelity);
  report.test_retest = known(table.fidelity.ceiling);
  report.seconds_per_lookup = core::SecondsPerLookup(table, request.inputs.batch_size);
  return report;
}

core::PolicyParameters PreviousPolicy(const std::string& bytes) {
  if (bytes.empty()) return {};
  try {
    return core::PolicyParameters::Parse(bytes);
  } catch (const std::exception&) {
    return {};  // of an earlier release: a warm start is not worth failing for
  }
}

absl::StatusOr<core::RankInput> ToRankInput(const domain::SelectionRuntime::RankRequest& request,
                                            TableCache* tables) {
  const domain::StrategyInfo& strategy = domain::InfoOf(request.strategy);
  core::RankInput input;
  const int classes = static_cast<int>(request.candidates[0].uncertainty.size());
  auto candidates = ToCore(request.candidates, classes);
  if (!candidates.ok()) return candidates.status();
  input.candidates = *std::move(candidates);
  for (const domain::ImageSignals& image : request.candidates) {
    input.predictions.push_back(ToScoredBoxes(image.predictions));
    input.expected_boxes.push_back(domain::ExpectedBoxes(image));
  }
  input.labeled_objects.assign(request.labeled_class_counts.begin(),
                               request.labeled_class_counts.end());
  input.objects = ObjectsOf(request.candidates);
  input.class_ap = KnownAp(request.class_ap50, classes);
  if (strategy.needs_embeddings) {
    input.labeled_embeddings = Embeddings(request.labeled, input.candidates.dim);
  }
  if (strategy.needs_table) {
    if (request.table == nullptr || request.table->entries.size() != request.candidates.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(strategy.name, " needs a table of the candidates"));
    }
    input.table = core::AssembleTable(*tables->Get(request.table->table), request.table->entries);
    core::CheckTable(*input.table);
  }
  input.cost_per_image = request.cost.per_image;
  input.cost_per_box = request.cost.per_box;
  input.previous_policy = PreviousPolicy(request.previous_selector);
  input.batch_size = request.batch_size;
  input.limit = std::max(0, request.limit);
  input.seed = request.seed;
  return input;
}

domain::SelectionRuntime::RankResult ToRankResult(
    const core::Ranking& ranking, const std::vector<domain::ImageSignals>& candidates) {
  domain::SelectionRuntime::RankResult result;
  for (const int64_t index : ranking.order) {
    result.image_keys.push_back(candidates[index].image_key);
  }
  if (ranking.policy.empty()) return result;
  const core::QueueReport& report = ranking.report;
  result.selector = ranking.policy.Serialize();
  result.selector_gain = report.gain;
  result.greedy_gain = report.greedy_gain;
  result.metrics = {{"selector_gain", report.gain},
                    {"greedy_gain", report.greedy_gain},
                    {"rollout_gain", report.rollout_gain},
                    {"agent_won", report.policy_won ? 1.0 : 0.0},  // as scripts know it
                    {"updates", static_cast<double>(report.updates)}};
  return result;
}

}  // namespace

absl::StatusOr<domain::ProbePlan> TorchRuntime::PlanProbes(const PlanRequest& request) {
  return device_->Run([&]() -> absl::StatusOr<domain::ProbePlan> {
    const auto images = ToCore(request);
    if (!images.ok()) return images.status();
    return ToDomain(core::PlanProbes(*images, request.probes, request.replay_probes,
                                     request.batch_size, request.seed));
  });
}

absl::StatusOr<domain::SelectionRuntime::TableResult> TorchRuntime::FitTable(
    const TableRequest& request) {
  return device_->Run([&]() -> absl::StatusOr<TableResult> {
    const auto evidence = ToCore(request);
    if (!evidence.ok()) return evidence.status();
    const core::LookupTable table = core::FitTableFromProbes(*evidence);
    TableResult result;
    result.table = core::SerializeShared(table);
    result.report = Report(request, table);
    result.cells.assign(table.cell_of.begin(), table.cell_of.end());
    result.entries = core::SerializeEntries(table);
    const std::vector<float> alone = core::GainsAlone(table);
    for (auto row = alone.begin(); row != alone.end(); row += table.classes) {
      result.expected_gain.emplace_back(row, row + table.classes);
    }
    return result;
  });
}

absl::StatusOr<domain::SelectionRuntime::RankResult> TorchRuntime::Rank(
    const RankRequest& request, const domain::Progress& progress) {
  if (request.candidates.empty()) return RankResult();
  return device_->Run([&]() -> absl::StatusOr<RankResult> {
    auto input = ToRankInput(request, tables_.get());
    if (!input.ok()) return input.status();
    input->progress = progress;
    return ToRankResult(core::Rank(domain::NameOf(request.strategy), *input), request.candidates);
  });
}

absl::StatusOr<domain::Gain> TorchRuntime::EstimateGain(const std::string& table,
                                                        const std::vector<std::string>& entries) {
  return Guarded([&]() -> absl::StatusOr<domain::Gain> {
    const core::LookupTable assembled = core::AssembleTable(*tables_->Get(table), entries);
    std::vector<int64_t> all(entries.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const core::Estimate estimate = core::EstimateGain(assembled, all);
    return domain::Gain{estimate.gain, estimate.standard_error, estimate.class_gain,
                        estimate.class_error};
  });
}

}  // namespace mgral::runtime
