// kPlan. Reads TrainedCycle, Examples, all Signals, and the previous snapshot's Manifest with what
// it names. Leaves an artifact of Plan, and a kProbe for each of its probes; nothing if no image is
// left to choose.
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::JobKind;

using ImagesByKey = std::unordered_map<int64_t, Image>;

// All images that the cycle embeds.
absl::StatusOr<ImagesByKey> LoadImages(const StageContext& stage, const CycleInputs& inputs) {
  ImagesByKey by_key;
  for (const std::string& sha256 : inputs.shards) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<Image> images, LoadRecord(stage.ports, sha256, ParseImages));
    for (Image& image : images) by_key[image.key] = std::move(image);
  }
  return by_key;
}

absl::StatusOr<std::vector<Image>> BatchOf(const domain::ProbeBatch& probe,
                                           const ImagesByKey& images) {
  std::vector<Image> batch;
  for (const int64_t key : probe.image_keys) {
    const auto image = images.find(key);
    if (image == images.end()) {
      return absl::DataLossError(
          absl::StrCat("a probe names image ", key, ", which the cycle did not embed"));
    }
    batch.push_back(image->second);
  }
  return batch;
}

// Without validation images there is nothing to measure a probe by; the table is then its prior.
absl::Status SetProbeCounts(const StageContext& stage, const CycleExamples& examples,
                            const LabelHistory& history,
                            domain::SelectionRuntime::PlanRequest* request) {
  if (examples.validation.empty()) return absl::OkStatus();
  const domain::SelectionSettings& selection = stage.cycle.pool.selection;
  MGRAL_ASSIGN_OR_RETURN(const auto profile,
                         stage.ports.detector->Profile(stage.cycle.pool.detector));
  request->probes = selection.probes > 0 ? selection.probes : profile.probes;
  request->replay_probes =
      selection.replay_probes > 0 ? selection.replay_probes : profile.replay_probes;
  if (history.previously_labeled.empty()) request->replay_probes = 0;
  return absl::OkStatus();
}

}  // namespace

StageResult RunPlan(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(EmbeddedPool pool, LoadEmbeddedPool(stage, examples));
  MGRAL_RETURN_IF_ERROR(CheckMissing(stage, trained, pool));
  StageOutcome outcome;
  if (pool.candidates.empty()) {  // nothing left to choose from
    outcome.next = {{JobKind::kSelector, 0, ""}};
    return outcome;
  }
  MGRAL_ASSIGN_OR_RETURN(const LabelHistory history, LoadLabelHistory(stage, trained, examples));
  auto request = MakePlanRequest(stage, trained, examples, std::move(pool), history);
  MGRAL_RETURN_IF_ERROR(SetProbeCounts(stage, examples, history, &request));
  CyclePlan plan;
  MGRAL_ASSIGN_OR_RETURN(plan.plan, stage.ports.selection->PlanProbes(request));

  MGRAL_ASSIGN_OR_RETURN(const ImagesByKey images, LoadImages(stage, trained.inputs));
  for (const domain::ProbeBatch& probe : plan.plan.probes) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<Image> batch, BatchOf(probe, images));
    outcome.next.push_back({JobKind::kProbe, static_cast<int>(plan.images.size()), ""});
    plan.images.push_back(std::move(batch));
  }
  MGRAL_ASSIGN_OR_RETURN(outcome.result, PutArtifact(stage, SerializePlan(plan)));
  outcome.metrics = {{"probes", static_cast<double>(plan.images.size())}};
  if (outcome.next.empty()) outcome.next = {{JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
