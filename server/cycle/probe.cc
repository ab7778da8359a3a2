// kProbe, one job per base of replay probes. Reads Plan, TrainedCycle, Examples, and the weights of
// the cycle's model. Leaves ReplayBase as its result.
#include "absl/strings/str_cat.h"
#include "server/cycle/stages.h"
#include "server/cycle/usable_images.h"

namespace mgral::cycle {
namespace {

// In all bases, whatever the time: as many as fidelity is measured from.
constexpr int kFewestProbes = 16;

absl::StatusOr<domain::DetectorRuntime::ReplayRequest> MakeRequest(const StageContext& stage,
                                                                   const domain::ProbePlan& plan) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(CycleExamples examples, LoadExamples(stage, trained));
  domain::DetectorRuntime::ReplayRequest request;
  MGRAL_ASSIGN_OR_RETURN(request.weights_path,
                         stage.ports.artifacts->PathOf(trained.weights_sha256));
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.labeled = std::move(examples.training);
  request.validation = std::move(examples.validation);
  request.base = stage.job.shard;
  request.probes = plan.probes[static_cast<size_t>(stage.job.shard)];
  const auto bases = static_cast<int>(plan.probes.size());
  request.seconds = stage.cycle.pool.selection.probe_seconds / bases;
  request.fewest = (kFewestProbes + bases - 1) / bases;
  request.seed = plan.seed;
  return request;
}

}  // namespace

StageResult RunProbe(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::string sha256, ResultOf(stage, domain::JobKind::kPlan));
  MGRAL_ASSIGN_OR_RETURN(const domain::ProbePlan plan, LoadRecord(stage.ports, sha256, ParsePlan));
  if (stage.job.shard < 0 || stage.job.shard >= static_cast<int>(plan.probes.size())) {
    return absl::DataLossError(absl::StrCat("the plan has no base ", stage.job.shard));
  }
  MGRAL_ASSIGN_OR_RETURN(auto request, MakeRequest(stage, plan));
  auto done = stage.ports.detector->Replay(request, stage.progress);
  if (MayComeFromAnImage(done.status())) {
    MGRAL_RETURN_IF_ERROR(KeepUsable(stage, {&request.labeled, &request.validation}));
    done = stage.ports.detector->Replay(request, stage.progress);
    MGRAL_RETURN_IF_ERROR(ToBeTriedAgain(done.status()));
  }
  MGRAL_ASSIGN_OR_RETURN(const auto result, std::move(done));
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, result.left_out));
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, SerializeReplayBase(result.base));
  const size_t probes = result.base.probes.size();
  if (probes > 0) {
    outcome.metrics = {{"seconds_per_probe", result.base.seconds / static_cast<double>(probes)}};
  }
  outcome.next = {{domain::JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
