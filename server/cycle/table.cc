// kTable. Reads what kPlan reads, Plan, and every ProbeResponse. Leaves an artifact of Table, which
// names TableImages.
#include <algorithm>

#include "server/cycle/realized_gain.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::SelectionRuntime;

absl::StatusOr<std::vector<domain::ProbeResponse>> LoadResponses(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> results,
                         stage.ports.jobs->Results(stage.job.cycle_key, JobKind::kProbe));
  std::vector<domain::ProbeResponse> responses;
  for (const std::string& result : results) {
    MGRAL_ASSIGN_OR_RETURN(domain::ProbeResponse response, ParseProbeResponse(result));
    responses.push_back(std::move(response));
  }
  return responses;
}

// What the batches of all cycles brought, each as the detector before it saw it.
absl::StatusOr<std::vector<SelectionRuntime::RealizedBatch>> LoadRealized(
    const StageContext& stage, const TrainedCycle& trained, const LabelHistory& history) {
  std::vector<SelectionRuntime::RealizedBatch> batches;
  for (const RealizedRecord& record : history.realized) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<domain::ImageSignals> signals,
                           LoadRecord(stage.ports, record.signals_sha256, ParseSignals));
    batches.push_back({std::move(signals), record.class_gain});
  }
  if (!history.newly_labeled.empty()) {
    batches.push_back({history.newly_labeled, ClassGains(trained)});
  }
  return batches;
}

absl::StatusOr<SelectionRuntime::TableRequest> MakeRequest(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(EmbeddedPool pool, LoadEmbeddedPool(stage, examples));
  MGRAL_ASSIGN_OR_RETURN(const LabelHistory history, LoadLabelHistory(stage, trained, examples));
  MGRAL_ASSIGN_OR_RETURN(const std::string plan, ResultOf(stage, JobKind::kPlan));
  MGRAL_ASSIGN_OR_RETURN(CyclePlan planned, LoadRecord(stage.ports, plan, ParsePlan));
  SelectionRuntime::TableRequest request;
  request.inputs = MakePlanRequest(stage, trained, examples, std::move(pool), history);
  request.plan = std::move(planned.plan);
  MGRAL_ASSIGN_OR_RETURN(request.responses, LoadResponses(stage));
  MGRAL_ASSIGN_OR_RETURN(request.realized, LoadRealized(stage, trained, history));
  return request;
}

// The table in parts; the SHA-256 of the first.
absl::StatusOr<std::string> PutTable(const StageContext& stage,
                                     const SelectionRuntime::TableResult& table) {
  TableParts parts;
  const size_t candidates = table.entries.size();
  for (size_t begin = 0; begin < candidates; begin += kImagesPerTablePart) {
    const size_t end = std::min(candidates, begin + kImagesPerTablePart);
    MGRAL_ASSIGN_OR_RETURN(std::string sha256,
                           PutArtifact(stage, SerializeTableImages(table, begin, end)));
    parts.images.push_back(std::move(sha256));
  }
  parts.table.table = table.table;
  parts.table.report = table.report;
  return PutArtifact(stage, SerializeTable(parts));
}

}  // namespace

StageResult RunTable(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const SelectionRuntime::TableRequest request, MakeRequest(stage));
  MGRAL_ASSIGN_OR_RETURN(const auto table, stage.ports.selection->FitTable(request));
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, PutTable(stage, table));
  outcome.metrics = {{"cells", static_cast<double>(table.report.cells)},
                     {"seconds_per_lookup", table.report.seconds_per_lookup}};
  if (table.report.fidelity) outcome.metrics.emplace_back("fidelity", *table.report.fidelity);
  outcome.next = {{JobKind::kSelector, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
