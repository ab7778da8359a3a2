// kTable. Reads what kPlan reads, Plan, every ReplayBase, and the previous snapshot's Manifest with
// the Examples that it names. Leaves an artifact of Table, which names TableImages.
#include <algorithm>

#include "server/cycle/realized_gain.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::SelectionRuntime;

absl::StatusOr<std::vector<domain::ReplayBase>> LoadBases(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> results,
                         stage.ports.jobs->Results(stage.job.cycle_key, JobKind::kProbe));
  std::vector<domain::ReplayBase> bases;
  for (const std::string& result : results) {
    MGRAL_ASSIGN_OR_RETURN(domain::ReplayBase base, ParseReplayBase(result));
    bases.push_back(std::move(base));
  }
  return bases;
}

absl::StatusOr<SelectionRuntime::TableRequest> MakeRequest(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(EmbeddedPool pool, LoadEmbeddedPool(stage, trained, examples));
  MGRAL_ASSIGN_OR_RETURN(LabelHistory history, LoadLabelHistory(stage, trained, examples));
  MGRAL_ASSIGN_OR_RETURN(const std::string plan, ResultOf(stage, JobKind::kPlan));
  SelectionRuntime::TableRequest request;
  MGRAL_ASSIGN_OR_RETURN(request.plan, LoadRecord(stage.ports, plan, ParsePlan));
  request.inputs = MakePlanRequest(stage, trained, examples, std::move(pool));
  MGRAL_ASSIGN_OR_RETURN(request.bases, LoadBases(stage));
  request.realized = std::move(history.realized);
  if (!history.newly_labeled.empty()) {
    request.newly_labeled = std::move(history.newly_labeled);
    request.previous_class_ap = trained.inputs.previous->class_ap50;
    request.class_gain = ClassGains(trained);
  }
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
  parts.table.newest = table.newest;
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
