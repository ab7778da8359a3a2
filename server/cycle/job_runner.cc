#include "server/cycle/job_runner.h"

#include "absl/strings/str_cat.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {

using domain::JobKind;

StageResult JobRunner::Run(const domain::JobLease& job, const domain::Progress& progress) {
  MGRAL_ASSIGN_OR_RETURN(const auto cycle, ports_.cycles->ContextOf(job));
  const StageContext stage{ports_, job, cycle, progress};
  switch (job.kind) {
    case JobKind::kTrain:
      return RunTrain(stage);
    case JobKind::kEmbed:
      return RunEmbed(stage);
    case JobKind::kPlan:
      return RunPlan(stage);
    case JobKind::kProbe:
      return RunProbe(stage);
    case JobKind::kTable:
      return RunTable(stage);
    case JobKind::kSelector:
      return RunSelector(stage);
    case JobKind::kPublish:
      return RunPublish(stage);
  }
  return absl::InternalError(
      absl::StrCat("a newer release left a job of kind ", static_cast<int>(job.kind)));
}

}  // namespace mgral::cycle
