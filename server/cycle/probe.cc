#include <cmath>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "server/cycle/probe_result.h"
#include "server/cycle/stages.h"

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

absl::StatusOr<domain::ModelRuntime::ProbeRequest> MakeRequest(const StageContext& stage,
                                                               const CyclePlan& plan) {
  auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  auto examples = LoadExamples(stage.ports, trained->inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  const size_t index = static_cast<size_t>(stage.job.shard);
  domain::ModelRuntime::ProbeRequest request;
  request.detector = stage.cycle.pool.detector;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.probe = plan.plan.probes[index];
  request.batch = BatchOf(plan.images[index], request.probe.replay, *examples);
  request.validation = std::move(examples->validation);
  request.labeled = std::move(examples->training);
  std::string weights = trained->weights_sha256;
  if (request.probe.replay) {
    // The batch was unlabeled to the previous detector: that is where its gain is measured.
    auto revealed = LoadRevealed(stage, *trained, {});
    if (!revealed.ok()) return revealed.status();
    request.labeled = std::move(revealed->previously_labeled);
    weights = trained->inputs.previous->weights_sha256;
  }
  auto path = stage.ports.artifacts->PathOf(weights);
  if (!path.ok()) return path.status();
  request.weights_path = *std::move(path);
  return request;
}

}  // namespace

StageResult RunProbe(const StageContext& stage) {
  const auto sha256 = ResultOf(stage, domain::JobKind::kPlan);
  if (!sha256.ok()) return sha256.status();
  const auto bytes = stage.ports.artifacts->Get(*sha256);
  if (!bytes.ok()) return bytes.status();
  const auto plan = ReadPlan(*bytes);
  if (!plan.ok()) return plan.status();
  if (stage.job.shard < 0 || stage.job.shard >= static_cast<int>(plan->images.size())) {
    return absl::InternalError(absl::StrCat("there is no probe ", stage.job.shard));
  }
  const auto request = MakeRequest(stage, *plan);
  if (!request.ok()) return request.status();
  const auto response = stage.ports.runtime->RunProbe(*request, stage.progress);
  if (!response.ok()) return response.status();
  StageOutcome outcome;
  outcome.result = WriteProbeResult(*response);
  outcome.metrics = {{"seconds_per_probe", response->seconds}};
  outcome.next = {{domain::JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
