#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "server/core/lookup/expected_objects.h"
#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/prior.h"
#include "server/core/lookup/replay.h"
#include "server/core/lookup/table_entry.h"
#include "server/core/selector/strategies.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/torch_runtime.h"

// The methods of SelectionRuntime: conversion around what server/core does.
namespace mgral::runtime {
namespace {

std::vector<domain::FeatureWeight> SharedWeights(const core::LookupTable& table) {
  std::vector<domain::FeatureWeight> out;
  for (int f = 0; f < core::kNumFeatures; ++f) {
    const auto row = table.shared_covariance.begin() + f * core::kNumFeatures;
    out.push_back({core::kFeatureNames[f],
                   table.shared_weights[f],
                   {row, row + core::kNumFeatures},
                   core::prior::kWeight[f],
                   core::prior::kSharedSd[f],
                   table.random_gain[f]});
  }
  return out;
}

domain::TableReport Report(const domain::SelectionRuntime::TableRequest& request,
                           const core::LookupTable& table) {
  domain::TableReport report;
  double seconds = 0;
  for (const domain::ReplayBase& base : request.bases) {
    seconds += base.seconds;
    report.replay_probes += static_cast<int64_t>(base.probes.size());
  }
  if (report.replay_probes > 0) report.seconds_per_probe = seconds / report.replay_probes;
  report.cells = table.cells.count;
  if (std::isfinite(table.fidelity.fidelity)) report.fidelity = table.fidelity.fidelity;
  if (std::isfinite(table.fidelity.ceiling)) report.test_retest = table.fidelity.ceiling;
  report.seconds_per_lookup = core::SecondsPerLookup(table, request.inputs.batch_size);
  report.weights = SharedWeights(table);
  report.weights_fitted = table.noise > 0;
  report.kappa = table.kappa;
  report.kappa_sd = table.kappa_sd;
  report.residual_share = table.residual_share;
  report.level = table.level;
  return report;
}

core::RealizedGain Realized(const domain::RealizedGain& gain) {
  return {gain.features, gain.class_ap, gain.class_gain};
}

// What was labeled since the snapshot before, beside what was labeled by then.
domain::RealizedGain NewestGain(const domain::SelectionRuntime::TableRequest& request,
                                const core::TableInput& input, const core::LookupTable& pool,
                                const std::vector<float>& labeled_reach,
                                const PositionOf& position) {
  const std::vector<int64_t> batch = position.All(request.newly_labeled);
  if (batch.empty()) return {};
  std::vector<bool> in_batch(request.inputs.labeled.size(), false);
  for (const int64_t i : batch) in_batch[i] = true;
  std::vector<int64_t> before;
  for (size_t i = 0; i < in_batch.size(); ++i) {
    if (!in_batch[i]) before.push_back(static_cast<int64_t>(i));
  }
  // What of it was missed is not known any more.
  std::vector<double> missed = input.missed_share;
  const std::vector<double> objects =
      core::CountObjects(input.labeled_objects, batch, input.candidates.classes);
  for (size_t c = 0; c < missed.size(); ++c) missed[c] *= objects[c];
  return {core::LabelFeatures(input, pool, labeled_reach, before, batch, missed),
          request.previous_class_ap, request.class_gain};
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

absl::Status TorchRuntime::ExpectObjects(const std::vector<domain::ImageSignals>& labeled,
                                         const std::vector<std::vector<float>>& labeled_objects,
                                         std::vector<domain::ImageSignals>* candidates) {
  if (labeled.empty() || candidates->empty()) return absl::OkStatus();
  const int classes = static_cast<int>(labeled.front().expected_objects.size());
  auto known = ToCore(labeled, classes), unknown = ToCore(*candidates, classes);
  if (!known.ok()) return known.status();
  if (!unknown.ok()) return unknown.status();
  if (known->dim != unknown->dim) {
    return absl::InvalidArgumentError("the labeled images' embeddings have another size");
  }
  core::ObjectEvidence evidence;
  evidence.classes = classes;
  evidence.dim = unknown->dim;
  evidence.embeddings = std::move(unknown->embeddings);
  evidence.detected = std::move(unknown->expected_objects);
  evidence.labeled_embeddings = std::move(known->embeddings);
  evidence.labeled_detected = std::move(known->expected_objects);
  for (const std::vector<float>& objects : labeled_objects) {
    evidence.labeled_objects.insert(evidence.labeled_objects.end(), objects.begin(), objects.end());
  }
  return Guarded([&]() -> absl::Status {
    const std::vector<float> expected = core::ExpectObjects(evidence);
    auto next = expected.begin();
    for (domain::ImageSignals& image : *candidates) {
      image.expected_objects.assign(next, next + classes);
      next += classes;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<domain::ProbePlan> TorchRuntime::PlanProbes(const PlanRequest& request) {
  return device_->Run([&]() -> absl::StatusOr<domain::ProbePlan> {
    const auto candidates = ToCore(request.candidates, request.num_classes);
    if (!candidates.ok()) return candidates.status();
    domain::ProbePlan plan;
    plan.cells = core::SerializeCells(core::ClusterCells(candidates->embeddings, candidates->images,
                                                         candidates->dim, 0, request.seed));
    plan.seed = request.seed;
    const bool enough = static_cast<int64_t>(request.labeled.size()) >= core::kFewestReplayed;
    if (enough && candidates->images > 0) plan.probes = core::PlanReplay(request.replay_probes);
    return plan;
  });
}

absl::StatusOr<domain::SelectionRuntime::TableResult> TorchRuntime::FitTable(
    const TableRequest& request) {
  return device_->Run([&]() -> absl::StatusOr<TableResult> {
    if (request.bases.size() != request.plan.probes.size()) {
      return absl::InvalidArgumentError("bases: there must be one per base of the plan");
    }
    auto input = ToCore(request);
    if (!input.ok()) return input.status();
    const PositionOf position(request.inputs.labeled);
    const std::vector<core::ReplayBase> bases = ToCore(request.bases, position);
    input->missed_share = core::MissedShare(*input, bases);
    core::LookupTable pool = core::DescribePool(*input);
    const std::vector<float> labeled_reach = core::LabeledReach(*input);
    const std::vector<core::ReplayProbe> rows =
        core::ReplayRows(*input, pool, labeled_reach, bases);
    TableResult result;
    result.newest = NewestGain(request, *input, pool, labeled_reach, position);
    std::vector<core::RealizedGain> realized;
    for (const domain::RealizedGain& gain : request.realized) realized.push_back(Realized(gain));
    if (!result.newest.features.empty()) realized.push_back(Realized(result.newest));
    const core::LookupTable table = core::FitTable(std::move(pool), rows, realized);
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
    std::shared_ptr<const core::LookupTable> shared;
    try {
      shared = tables_->Get(table);
    } catch (const core::OtherRelease& other) {
      return base::FailedPrecondition("NO_TABLE",
                                      absl::StrCat(other.what(), ": run a cycle first"));
    }
    const core::LookupTable assembled = core::AssembleTable(*shared, entries);
    std::vector<int64_t> all(entries.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const core::Estimate estimate = core::EstimateGain(assembled, all);
    return domain::Gain{estimate.gain, estimate.standard_error, estimate.class_gain,
                        estimate.class_error};
  });
}

}  // namespace mgral::runtime
