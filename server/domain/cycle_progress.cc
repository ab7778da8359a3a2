#include "server/domain/cycle_progress.h"

#include <algorithm>

namespace mgral::domain {
namespace {

// Planning is a small part of the probe stage. Counting it as such keeps the stage's fraction from
// going back when planning has ended and the probes are inserted.
constexpr double kPlanShare = 0.05;

// Less than that done says too little about the rest.
constexpr double kMinDone = 0.05;

CycleStage StageOf(JobKind kind) {
  switch (kind) {
    case JobKind::kTrain:
      return CycleStage::kTrain;
    case JobKind::kEmbed:
      return CycleStage::kEmbed;
    case JobKind::kPlan:
    case JobKind::kProbe:
      return CycleStage::kProbe;
    case JobKind::kTable:
      return CycleStage::kTable;
    case JobKind::kSelector:
      return CycleStage::kSelector;
    case JobKind::kPublish:
      return CycleStage::kPublish;
  }
  return CycleStage::kTrain;
}

// The part of a cycle's time that a stage usually takes; they add up to 1.
double UsualShare(CycleStage stage, bool without_table) {
  switch (stage) {
    case CycleStage::kTrain:
      return without_table ? 0.85 : 0.40;
    case CycleStage::kEmbed:
      return without_table ? 0.13 : 0.10;
    case CycleStage::kProbe:
      return without_table ? 0 : 0.40;
    case CycleStage::kTable:
      return without_table ? 0 : 0.02;
    case CycleStage::kSelector:
      return without_table ? 0 : 0.06;
    case CycleStage::kPublish:
      return 0.02;
  }
  return 0;
}

StageProgress* FindOrAddStage(Cycle* cycle, CycleStage stage) {
  for (StageProgress& progress : cycle->stages) {
    if (progress.stage == stage) return &progress;
  }
  cycle->stages.emplace_back();
  cycle->stages.back().stage = stage;
  return &cycle->stages.back();
}

}  // namespace

void AddJobProgress(const JobProgress& progress, Cycle* cycle) {
  StageProgress* const stage = FindOrAddStage(cycle, StageOf(progress.kind));
  double share = 1;
  if (progress.kind == JobKind::kPlan) share = kPlanShare;
  if (progress.kind == JobKind::kProbe) share = 1 - kPlanShare;
  stage->fraction += share * progress.fraction;
  stage->seconds += progress.seconds;
  cycle->stage = std::max(cycle->stage, stage->stage);
}

void AddStageMetric(JobKind kind, const std::string& name, double value, Cycle* cycle) {
  FindOrAddStage(cycle, StageOf(kind))->metrics.emplace_back(name, value);
}

void EstimateEnd(absl::Time start, absl::Time now, Cycle* cycle) {
  double done = 0;
  for (const StageProgress& stage : cycle->stages) {
    done += stage.fraction * UsualShare(stage.stage, cycle->without_table);
  }
  if (cycle->state != CycleState::kRunning || done < kMinDone) return;
  cycle->eta = now + (now - start) * ((1 - std::min(done, 1.0)) / done);
}

}  // namespace mgral::domain
