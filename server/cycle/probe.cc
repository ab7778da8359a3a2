// kProbe, one job per probe. Reads Plan, TrainedCycle, Examples, and the weights of the cycle's
// model (a replay: of the previous one, with the Examples that its Manifest names). Leaves
// ProbeResponse as its result.
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "server/cycle/stages.h"
#include "server/cycle/usable_images.h"

namespace mgral::cycle {
namespace {

using domain::Example;

// Of a replay probe: with the labels that have come in since. Of any other: without.
std::vector<Example> BatchOf(const std::vector<domain::Image>& images, bool replay,
                             const CycleExamples& examples) {
  std::unordered_map<int64_t, const Example*> labeled;
  if (replay) {
    for (const Example& example : examples.training) labeled[example.image.key] = &example;
  }
  std::vector<Example> batch;
  for (const domain::Image& image : images) {
    if (!replay) {
      batch.push_back({image, {}});
    } else if (labeled.count(image.key) > 0) {
      batch.push_back(*labeled[image.key]);
    }
  }
  return batch;
}

absl::StatusOr<domain::DetectorRuntime::ProbeRequest> MakeRequest(const StageContext& stage,
                                                                  const CyclePlan& plan) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(CycleExamples examples, LoadExamples(stage, trained));
  const size_t index = static_cast<size_t>(stage.job.shard);
  domain::DetectorRuntime::ProbeRequest request;
  request.detector = stage.cycle.pool.detector;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.probe = plan.plan.probes[index];
  request.batch = BatchOf(plan.images[index], request.probe.replay, examples);
  request.validation = std::move(examples.validation);
  request.labeled = std::move(examples.training);
  std::string weights = trained.weights_sha256;
  if (request.probe.replay) {
    if (!trained.inputs.previous) return absl::DataLossError("a replay in a pool's first cycle");
    // The batch was unlabeled to the previous detector: that is where its gain is measured.
    MGRAL_ASSIGN_OR_RETURN(LabelHistory history, LoadLabelHistory(stage, trained, {}));
    request.labeled = std::move(history.previously_labeled);
    weights = trained.inputs.previous->weights_sha256;
  }
  MGRAL_ASSIGN_OR_RETURN(request.weights_path, stage.ports.artifacts->PathOf(weights));
  return request;
}

}  // namespace

StageResult RunProbe(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::string sha256, ResultOf(stage, domain::JobKind::kPlan));
  MGRAL_ASSIGN_OR_RETURN(const CyclePlan plan, LoadRecord(stage.ports, sha256, ParsePlan));
  if (stage.job.shard < 0 || stage.job.shard >= static_cast<int>(plan.images.size())) {
    return absl::DataLossError(absl::StrCat("the plan has no probe ", stage.job.shard));
  }
  MGRAL_ASSIGN_OR_RETURN(auto request, MakeRequest(stage, plan));
  auto done = stage.ports.detector->RunProbe(request, stage.progress);
  if (MayComeFromAnImage(done.status())) {
    MGRAL_RETURN_IF_ERROR(
        KeepUsable(stage, {&request.labeled, &request.batch, &request.validation}));
    done = stage.ports.detector->RunProbe(request, stage.progress);
    MGRAL_RETURN_IF_ERROR(ToBeTriedAgain(done.status()));
  }
  MGRAL_ASSIGN_OR_RETURN(const auto result, std::move(done));
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, result.left_out));
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, SerializeProbeResponse(result.response));
  outcome.metrics = {{"seconds_per_probe", result.response.seconds}};
  outcome.next = {{domain::JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
