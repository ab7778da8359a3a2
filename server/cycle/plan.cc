// kPlan. Reads TrainedCycle, Examples, and all Signals. Leaves an artifact of Plan, and a kProbe
// for each base of replay probes; nothing if no image is left to choose.
#include <algorithm>

#include "server/cycle/stages.h"

namespace mgral::cycle {

using domain::JobKind;

namespace {

// Of the profile's own number, where the pool limits the time instead.
constexpr int kMostTimesOwn = 4;

int MostProbes(const domain::SelectionSettings& selection, int own) {
  if (selection.replay_probes != 0) return std::max(0, selection.replay_probes);
  return selection.probe_seconds > 0 ? kMostTimesOwn * own : own;
}

}  // namespace

StageResult RunPlan(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(EmbeddedPool pool, LoadEmbeddedPool(stage, trained, examples));
  MGRAL_RETURN_IF_ERROR(CheckMissing(stage, trained, pool));
  StageOutcome outcome;
  if (pool.candidates.empty()) {  // nothing left to choose from
    outcome.next = {{JobKind::kSelector, 0, ""}};
    return outcome;
  }
  auto request = MakePlanRequest(stage, trained, examples, std::move(pool));
  MGRAL_ASSIGN_OR_RETURN(const auto profile,
                         stage.ports.detector->Profile(stage.cycle.pool.detector));
  const domain::SelectionSettings& selection = stage.cycle.pool.selection;
  request.replay_probes = MostProbes(selection, profile.replay_probes);
  MGRAL_ASSIGN_OR_RETURN(const domain::ProbePlan plan, stage.ports.selection->PlanProbes(request));

  double probes = 0;
  for (size_t base = 0; base < plan.probes.size(); ++base) {
    probes += plan.probes[base];
    outcome.next.push_back({JobKind::kProbe, static_cast<int>(base), ""});
  }
  MGRAL_ASSIGN_OR_RETURN(outcome.result, PutArtifact(stage, SerializePlan(plan)));
  outcome.metrics = {{selection.probe_seconds > 0 ? "most_probes" : "probes", probes}};
  if (outcome.next.empty()) outcome.next = {{JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
