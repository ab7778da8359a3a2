#include "server/cycle/stages.h"

#include <algorithm>
#include <unordered_set>

#include "absl/strings/str_cat.h"

namespace mgral::cycle {
namespace {

using domain::ImageSignals;
using domain::JobKind;

std::unordered_set<int64_t> KeysOf(const std::vector<domain::Example>& examples) {
  std::unordered_set<int64_t> keys;
  for (const domain::Example& example : examples) keys.insert(example.image.key);
  return keys;
}

}  // namespace

absl::StatusOr<std::string> ResultOf(const StageContext& stage, JobKind kind) {
  const auto results = stage.ports.jobs->Results(stage.job.cycle_key, kind);
  if (!results.ok()) return results.status();
  return results->empty() ? std::string() : results->front();
}

absl::StatusOr<TrainedCycle> LoadTrained(const StageContext& stage) {
  const auto result = ResultOf(stage, JobKind::kTrain);
  if (!result.ok()) return result.status();
  return ParseTrained(*result);
}

absl::StatusOr<CycleExamples> LoadExamples(const CyclePorts& ports, const std::string& sha256) {
  const auto bytes = ports.artifacts->Get(sha256);
  if (!bytes.ok()) return bytes.status();
  return ReadExamples(*bytes);
}

absl::StatusOr<Manifest> LoadManifest(const CyclePorts& ports, const std::string& sha256) {
  const auto bytes = ports.artifacts->Get(sha256);
  if (!bytes.ok()) return bytes.status();
  return ParseManifest(*bytes);
}

absl::StatusOr<EmbeddedPool> LoadPool(const StageContext& stage, const CycleExamples& examples) {
  auto shards = stage.ports.jobs->Results(stage.job.cycle_key, JobKind::kEmbed);
  if (!shards.ok()) return shards.status();
  EmbeddedPool pool;
  pool.artifacts = *std::move(shards);
  const std::unordered_set<int64_t> training = KeysOf(examples.training);
  for (const std::string& sha256 : pool.artifacts) {
    const auto bytes = stage.ports.artifacts->Get(sha256);
    if (!bytes.ok()) return bytes.status();
    auto signals = ReadSignals(*bytes);
    if (!signals.ok()) return signals.status();
    for (ImageSignals& image : *signals) {
      if (!image.error.empty()) continue;
      auto& list = training.count(image.image_key) > 0 ? pool.labeled : pool.candidates;
      list.push_back(std::move(image));
    }
  }
  const auto by_key = [](const ImageSignals& a, const ImageSignals& b) {
    return a.image_key < b.image_key;
  };
  std::sort(pool.candidates.begin(), pool.candidates.end(), by_key);
  std::sort(pool.labeled.begin(), pool.labeled.end(), by_key);
  return pool;
}

absl::StatusOr<RevealedImages> LoadRevealed(const StageContext& stage, const TrainedCycle& trained,
                                            const CycleExamples& examples) {
  RevealedImages revealed;
  if (!trained.inputs.previous) return revealed;
  const auto manifest = LoadManifest(stage.ports, trained.inputs.previous->manifest_sha256);
  if (!manifest.ok()) return manifest.status();
  revealed.realised = manifest->realised;
  if (manifest->cold_start) return revealed;
  auto before = LoadExamples(stage.ports, manifest->examples_sha256);
  if (!before.ok()) return before.status();
  const std::unordered_set<int64_t> known = KeysOf(before->training);
  std::unordered_set<int64_t> fresh;
  for (const int64_t key : KeysOf(examples.training)) {
    if (known.count(key) == 0) fresh.insert(key);
  }
  for (const std::string& sha256 : manifest->signals) {
    const auto bytes = stage.ports.artifacts->Get(sha256);
    if (!bytes.ok()) return bytes.status();
    auto signals = ReadSignals(*bytes);
    if (!signals.ok()) return signals.status();
    for (ImageSignals& image : *signals) {
      if (image.error.empty() && fresh.count(image.image_key) > 0) {
        revealed.signals.push_back(std::move(image));
      }
    }
  }
  revealed.previously_labeled = std::move(before->training);
  return revealed;
}

domain::ModelRuntime::PlanRequest MakePlanRequest(const StageContext& stage,
                                                  const TrainedCycle& trained,
                                                  const CycleExamples& examples, EmbeddedPool pool,
                                                  const RevealedImages& revealed) {
  domain::ModelRuntime::PlanRequest request;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.candidates = std::move(pool.candidates);
  request.labeled = std::move(pool.labeled);
  request.revealed = revealed.signals;
  request.labeled_class_counts.assign(request.num_classes, 0);
  for (const domain::Example& example : examples.training) {
    for (const domain::Box& box : example.boxes) {
      if (!box.ignore) ++request.labeled_class_counts.at(box.class_index);
    }
  }
  for (const double ap : trained.class_ap50) {
    domain::ClassAccuracy accuracy;
    accuracy.ap50 = ap;
    request.validation.classes.push_back(accuracy);
  }
  request.validation.map50 = trained.map50;
  request.batch_size = stage.cycle.pool.selection.batch_size;
  request.seed = StageSeed(trained.inputs, SeedPlace::kPlan);
  return request;
}

uint64_t StageSeed(const CycleInputs& inputs, SeedPlace place) {
  return MixSeed(inputs.seed, static_cast<uint64_t>(place));
}

std::string WorkFolderName(const domain::JobLease& job) {
  return absl::StrCat("cycle-", job.cycle_key);
}

}  // namespace mgral::cycle
