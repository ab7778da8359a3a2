// kPublish. Reads what all stages left, and the previous snapshot's Manifest. Leaves the snapshot,
// for CycleStore::Publish, and an artifact of Manifest for the next cycle.
#include "server/cycle/realized_gain.h"
#include "server/cycle/stages.h"
#include "server/cycle/work_folder.h"

namespace mgral::cycle {
namespace {

using domain::Box;
using Snapshot = domain::CycleStore::Snapshot;

// Boxes with a lower score do not help an annotator.
constexpr double kMinShownScore = 0.25;

std::vector<Box> PreAnnotations(const std::vector<Box>& predictions) {
  std::vector<Box> shown;
  for (const Box& box : predictions) {
    if (box.score >= kMinShownScore) shown.push_back(box);
  }
  return shown;
}

absl::Status AddImages(const EmbeddedPool& pool, bool cold_start,
                       const std::optional<domain::SelectionRuntime::TableResult>& table,
                       Snapshot* snapshot) {
  if (table && table->entries.size() != pool.candidates.size()) {
    return absl::DataLossError("the table is of other images than the pool");
  }
  for (size_t i = 0; i < pool.candidates.size(); ++i) {
    domain::CycleStore::SnapshotImage image;
    image.image_key = pool.candidates[i].image_key;
    image.predictions = PreAnnotations(pool.candidates[i].predictions);
    if (!cold_start) image.expected_boxes = domain::ExpectedBoxes(pool.candidates[i]);
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
  for (const auto& [strategy, sha256] : ranked.queues) {
    MGRAL_ASSIGN_OR_RETURN(RankedQueue queue, LoadRecord(stage.ports, sha256, ParseQueue));
    snapshot->queues.push_back({strategy, std::move(queue.image_keys), std::move(queue.uniform)});
  }
  snapshot->selector_sha256 = ranked.selector_sha256;
  return absl::OkStatus();
}

// What the next cycle reads of this one.
absl::Status AddManifest(const StageContext& stage, const TrainedCycle& trained,
                         const LabelHistory& history,
                         const std::optional<domain::SelectionRuntime::TableResult>& table,
                         Snapshot* snapshot) {
  Manifest manifest{trained.inputs.examples_sha256, trained.cold_start, history.realized};
  if (table && !table->newest.features.empty()) manifest.realized.push_back(table->newest);
  MGRAL_ASSIGN_OR_RETURN(snapshot->manifest_sha256,
                         PutArtifact(stage, SerializeManifest(manifest)));
  snapshot->artifacts = {manifest.examples_sha256};
  return absl::OkStatus();
}

absl::Status AddRealizedGains(const StageContext& stage, const TrainedCycle& trained,
                              const CycleExamples& examples, Snapshot* snapshot) {
  if (!trained.inputs.previous) return absl::OkStatus();
  MGRAL_ASSIGN_OR_RETURN(
      const Manifest manifest,
      LoadRecord(stage.ports, trained.inputs.previous->manifest_sha256, ParseManifest));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples before,
                         LoadRecord(stage.ports, manifest.examples_sha256, ParseExamples));
  MGRAL_ASSIGN_OR_RETURN(const std::vector<domain::Batch> batches,
                         stage.ports.cycles->BatchesSincePublished(stage.job.pool_key));
  RealizedShare share = ShareRealizedGain(trained, batches, examples.training, before.training);
  snapshot->realized = std::move(share.batches);
  snapshot->predicted_gain = share.predicted;
  snapshot->predicted_gain_se = share.predicted_standard_error;
  snapshot->realized_gain = share.realized;
  return absl::OkStatus();
}

absl::StatusOr<Snapshot> MakeSnapshot(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, trained));
  MGRAL_ASSIGN_OR_RETURN(const EmbeddedPool pool, LoadEmbeddedPool(stage, trained, examples));
  MGRAL_ASSIGN_OR_RETURN(const LabelHistory history, LoadLabelHistory(stage, trained, examples));
  MGRAL_ASSIGN_OR_RETURN(const auto table, LoadTable(stage));
  MGRAL_ASSIGN_OR_RETURN(const std::string result, ResultOf(stage, domain::JobKind::kSelector));
  MGRAL_ASSIGN_OR_RETURN(const RankedPool ranked, ParseRankedPool(result));

  Snapshot snapshot;
  MGRAL_RETURN_IF_ERROR(AddImages(pool, trained.cold_start, table, &snapshot));
  MGRAL_RETURN_IF_ERROR(AddQueues(stage, ranked, &snapshot));
  MGRAL_RETURN_IF_ERROR(AddManifest(stage, trained, history, table, &snapshot));
  MGRAL_RETURN_IF_ERROR(AddRealizedGains(stage, trained, examples, &snapshot));
  if (table) {
    snapshot.table = table->table;
    snapshot.report = table->report;
    snapshot.report->selector_gain = ranked.selector_gain;
    snapshot.report->greedy_gain = ranked.greedy_gain;
  }
  if (trained.cold_start) snapshot.note = "cold_start";
  return snapshot;
}

}  // namespace

StageResult RunPublish(const StageContext& stage) {
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.snapshot, MakeSnapshot(stage));
  // Only kTrain's checkpoint lies there, and kTrain is over.
  MGRAL_RETURN_IF_ERROR(
      stage.ports.artifacts->RemoveWorkFolder(WorkFolderName(stage.cycle.work_id)));
  return outcome;
}

}  // namespace mgral::cycle
