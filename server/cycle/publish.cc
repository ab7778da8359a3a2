#include "server/cycle/ranked_pool.h"
#include "server/cycle/realized_gain.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::Box;
using Snapshot = domain::CycleStore::Snapshot;

// Boxes below it are no help to an annotator.
constexpr double kLeastShownScore = 0.25;

std::vector<Box> PreAnnotations(const std::vector<Box>& predictions) {
  std::vector<Box> shown;
  for (const Box& box : predictions) {
    if (box.score >= kLeastShownScore) shown.push_back(box);
  }
  return shown;
}

absl::Status AddImages(const EmbeddedPool& pool,
                       const std::optional<domain::ModelRuntime::TableResult>& table,
                       Snapshot* snapshot) {
  if (table && table->entries.size() != pool.candidates.size()) {
    return absl::InternalError("the table is of other images than the pool");
  }
  for (size_t i = 0; i < pool.candidates.size(); ++i) {
    domain::CycleStore::SnapshotImage image;
    image.image_key = pool.candidates[i].image_key;
    image.predictions = PreAnnotations(pool.candidates[i].predictions);
    if (table) {
      image.cell = table->cells[i];
      image.entry = table->entries[i];
      image.expected_gain = table->expected_gain[i];
    }
    snapshot->images.push_back(std::move(image));
  }
  return absl::OkStatus();
}

absl::Status AddQueues(const StageContext& stage, const RankedPool& ranked, Snapshot* snapshot) {
  for (const auto& queue : ranked.queues) {
    const auto bytes = stage.ports.artifacts->Get(queue.second);
    if (!bytes.ok()) return bytes.status();
    auto keys = ReadKeys(*bytes);
    if (!keys.ok()) return keys.status();
    snapshot->queues.push_back({queue.first, *std::move(keys)});
  }
  snapshot->selector_sha256 = ranked.selector_sha256;
  return absl::OkStatus();
}

// What the next cycle will want to know of this one.
absl::Status AddManifest(const StageContext& stage, const TrainedCycle& trained,
                         const EmbeddedPool& pool, const RevealedImages& revealed,
                         Snapshot* snapshot) {
  Manifest manifest{pool.artifacts, trained.inputs.examples_sha256, trained.cold_start,
                    revealed.realised};
  if (!revealed.signals.empty()) {
    const auto signals = stage.ports.artifacts->Put(WriteSignals(revealed.signals));
    if (!signals.ok()) return signals.status();
    manifest.realised.push_back({*signals, ClassGains(trained)});
  }
  auto sha256 = stage.ports.artifacts->Put(ToJson(manifest));
  if (!sha256.ok()) return sha256.status();
  snapshot->manifest_sha256 = *std::move(sha256);
  return absl::OkStatus();
}

absl::Status AddRealisedGains(const StageContext& stage, const TrainedCycle& trained,
                              const CycleExamples& examples, Snapshot* snapshot) {
  if (!trained.inputs.previous) return absl::OkStatus();
  const auto manifest = LoadManifest(stage.ports, trained.inputs.previous->manifest_sha256);
  if (!manifest.ok()) return manifest.status();
  const auto before = LoadExamples(stage.ports, manifest->examples_sha256);
  if (!before.ok()) return before.status();
  const auto batches = stage.ports.cycles->BatchesSincePublished(stage.job.pool_key);
  if (!batches.ok()) return batches.status();
  RealisedShare share = ShareRealisedGain(trained, *batches, examples.training, before->training);
  snapshot->realised = std::move(share.batches);
  snapshot->predicted_gain = share.predicted;
  snapshot->predicted_gain_se = share.predicted_standard_error;
  snapshot->realised_gain = share.realised;
  return absl::OkStatus();
}

absl::Status Fill(const StageContext& stage, Snapshot* snapshot) {
  const auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  const auto examples = LoadExamples(stage.ports, trained->inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  const auto pool = LoadPool(stage, *examples);
  if (!pool.ok()) return pool.status();
  const auto revealed = LoadRevealed(stage, *trained, *examples);
  if (!revealed.ok()) return revealed.status();
  auto table = LoadTable(stage);
  if (!table.ok()) return table.status();
  const auto result = ResultOf(stage, domain::JobKind::kSelector);
  if (!result.ok()) return result.status();
  const auto ranked = ParseRanked(*result);
  if (!ranked.ok()) return ranked.status();

  absl::Status status = AddImages(*pool, *table, snapshot);
  if (status.ok()) status = AddQueues(stage, *ranked, snapshot);
  if (status.ok()) status = AddManifest(stage, *trained, *pool, *revealed, snapshot);
  if (status.ok()) status = AddRealisedGains(stage, *trained, *examples, snapshot);
  if (table->has_value()) {
    snapshot->table = (*table)->table;
    snapshot->report = (*table)->report;
    snapshot->report->selector_gain = ranked->selector_gain;
    snapshot->report->greedy_gain = ranked->greedy_gain;
  }
  if (trained->cold_start) snapshot->note = "cold_start";
  return status;
}

}  // namespace

StageResult RunPublish(const StageContext& stage) {
  Snapshot snapshot;
  const absl::Status status = Fill(stage, &snapshot);
  if (!status.ok()) return status;
  // Only kTrain's checkpoint lies there, and kTrain is over.
  const absl::Status removed = stage.ports.artifacts->RemoveWorkFolder(WorkFolderName(stage.job));
  if (!removed.ok()) return removed;
  StageOutcome outcome;
  outcome.snapshot = std::move(snapshot);
  return outcome;
}

}  // namespace mgral::cycle
