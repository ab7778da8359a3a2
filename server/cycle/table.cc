#include "server/cycle/probe_result.h"
#include "server/cycle/realized_gain.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::ModelRuntime;

absl::StatusOr<std::vector<ModelRuntime::ProbeResponse>> LoadResponses(const StageContext& stage) {
  const auto results = stage.ports.jobs->Results(stage.job.cycle_key, JobKind::kProbe);
  if (!results.ok()) return results.status();
  std::vector<ModelRuntime::ProbeResponse> responses;
  for (const std::string& result : *results) {
    auto response = ReadProbeResult(result);
    if (!response.ok()) return response.status();
    responses.push_back(*std::move(response));
  }
  return responses;
}

absl::StatusOr<CyclePlan> LoadPlan(const StageContext& stage) {
  const auto sha256 = ResultOf(stage, JobKind::kPlan);
  if (!sha256.ok()) return sha256.status();
  const auto bytes = stage.ports.artifacts->Get(*sha256);
  if (!bytes.ok()) return bytes.status();
  return ReadPlan(*bytes);
}

// What the batches of all cycles brought, each as the detector before it saw it.
absl::StatusOr<std::vector<ModelRuntime::RealisedBatch>> LoadRealised(
    const StageContext& stage, const TrainedCycle& trained, const RevealedImages& revealed) {
  std::vector<ModelRuntime::RealisedBatch> batches;
  for (const RealisedRecord& record : revealed.realised) {
    const auto bytes = stage.ports.artifacts->Get(record.signals_sha256);
    if (!bytes.ok()) return bytes.status();
    auto signals = ReadSignals(*bytes);
    if (!signals.ok()) return signals.status();
    batches.push_back({*std::move(signals), record.class_gain});
  }
  if (!revealed.signals.empty()) {
    batches.push_back({revealed.signals, ClassGains(trained)});
  }
  return batches;
}

}  // namespace

StageResult RunTable(const StageContext& stage) {
  const auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  const auto examples = LoadExamples(stage.ports, trained->inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  auto pool = LoadPool(stage, *examples);
  if (!pool.ok()) return pool.status();
  const auto revealed = LoadRevealed(stage, *trained, *examples);
  if (!revealed.ok()) return revealed.status();
  auto plan = LoadPlan(stage);
  if (!plan.ok()) return plan.status();
  auto responses = LoadResponses(stage);
  if (!responses.ok()) return responses.status();
  auto realised = LoadRealised(stage, *trained, *revealed);
  if (!realised.ok()) return realised.status();

  ModelRuntime::TableRequest request;
  request.inputs = MakePlanRequest(stage, *trained, *examples, *std::move(pool), *revealed);
  request.plan = std::move(plan->plan);
  request.responses = *std::move(responses);
  request.realised = *std::move(realised);
  const auto table = stage.ports.runtime->FitTable(request);
  if (!table.ok()) return table.status();
  const auto sha256 = stage.ports.artifacts->Put(WriteTable(*table));
  if (!sha256.ok()) return sha256.status();
  StageOutcome outcome;
  outcome.result = *sha256;
  outcome.metrics = {{"cells", static_cast<double>(table->report.cells)},
                     {"seconds_per_lookup", table->report.seconds_per_lookup}};
  if (table->report.fidelity) outcome.metrics.emplace_back("fidelity", *table->report.fidelity);
  outcome.next = {{JobKind::kSelector, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
