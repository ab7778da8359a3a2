#include <unordered_map>

#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::JobKind;

// The images of the probes' batches, by key.
absl::StatusOr<std::unordered_map<int64_t, Image>> ImagesByKey(const StageContext& stage,
                                                               const CycleInputs& inputs) {
  std::unordered_map<int64_t, Image> by_key;
  for (const std::string& sha256 : inputs.shards) {
    const auto bytes = stage.ports.artifacts->Get(sha256);
    if (!bytes.ok()) return bytes.status();
    auto images = ReadImages(*bytes);
    if (!images.ok()) return images.status();
    for (Image& image : *images) by_key[image.key] = std::move(image);
  }
  return by_key;
}

// Without validation images there is nothing to measure a probe by; the table is then its prior.
absl::Status SetProbeCounts(const StageContext& stage, const CycleExamples& examples,
                            const RevealedImages& revealed,
                            domain::ModelRuntime::PlanRequest* request) {
  if (examples.validation.empty()) return absl::OkStatus();
  const domain::SelectionSettings& selection = stage.cycle.pool.selection;
  const auto profile = stage.ports.runtime->Profile(stage.cycle.pool.detector.profile);
  if (!profile.ok()) return profile.status();
  request->probes = selection.probes > 0 ? selection.probes : profile->probes;
  request->replay_probes =
      selection.replay_probes > 0 ? selection.replay_probes : profile->replay_probes;
  if (revealed.previously_labeled.empty()) request->replay_probes = 0;
  return absl::OkStatus();
}

}  // namespace

StageResult RunPlan(const StageContext& stage) {
  const auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  const auto examples = LoadExamples(stage.ports, trained->inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  auto pool = LoadPool(stage, *examples);
  if (!pool.ok()) return pool.status();
  StageOutcome outcome;
  if (pool->candidates.empty()) {  // nothing left to choose from
    outcome.next = {{JobKind::kSelector, 0, ""}};
    return outcome;
  }
  const auto revealed = LoadRevealed(stage, *trained, *examples);
  if (!revealed.ok()) return revealed.status();
  auto request = MakePlanRequest(stage, *trained, *examples, *std::move(pool), *revealed);
  const absl::Status counted = SetProbeCounts(stage, *examples, *revealed, &request);
  if (!counted.ok()) return counted;
  auto plan = stage.ports.runtime->PlanProbes(request);
  if (!plan.ok()) return plan.status();

  const auto images = ImagesByKey(stage, trained->inputs);
  if (!images.ok()) return images.status();
  CyclePlan file{*std::move(plan), {}};
  for (const domain::ModelRuntime::ProbeBatch& probe : file.plan.probes) {
    std::vector<Image> batch;
    for (const int64_t key : probe.image_keys) batch.push_back(images->at(key));
    outcome.next.push_back({JobKind::kProbe, static_cast<int>(file.images.size()), ""});
    file.images.push_back(std::move(batch));
  }
  const auto sha256 = stage.ports.artifacts->Put(WritePlan(file));
  if (!sha256.ok()) return sha256.status();
  outcome.result = *sha256;
  outcome.metrics = {{"probes", static_cast<double>(file.images.size())}};
  if (outcome.next.empty()) outcome.next = {{JobKind::kTable, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
