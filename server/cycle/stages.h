#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/base/status_macros.h"
#include "server/cycle/job_runner.h"
#include "server/cycle/records.h"
#include "server/cycle/seed.h"
#include "server/cycle/selection_records.h"

// The stages, one per file of this folder (RunTrain is in train.cc, ...), and what they share. Each
// file begins with the messages of records.proto that the stage reads and leaves. Only for the
// files of this folder.
namespace mgral::cycle {

// A job at hand. Everything it points to outlives it.
struct StageContext {
  const CyclePorts& ports;
  const domain::JobLease& job;
  const domain::CycleStore::CycleContext& cycle;
  const domain::Progress& progress;
};

using StageResult = absl::StatusOr<StageOutcome>;
StageResult RunTrain(const StageContext& stage);
StageResult RunEmbed(const StageContext& stage);
StageResult RunPlan(const StageContext& stage);
StageResult RunProbe(const StageContext& stage);
StageResult RunTable(const StageContext& stage);
StageResult RunSelector(const StageContext& stage);
StageResult RunPublish(const StageContext& stage);

// Stores a record, or bytes of the selection runtime, as an artifact that is kept until the cycle
// ends; its SHA-256.
absl::StatusOr<std::string> PutArtifact(const StageContext& stage,
                                        absl::StatusOr<std::string> bytes);
// Reads an artifact with one of the Parse functions of records.h.
template <typename T>
absl::StatusOr<T> LoadRecord(const CyclePorts& ports, const std::string& sha256,
                             absl::StatusOr<T> (*parse)(absl::string_view bytes)) {
  MGRAL_ASSIGN_OR_RETURN(const std::string bytes, ports.artifacts->Get(sha256));
  return parse(bytes);
}
// The result of the only job of a kind; empty when the cycle had none.
absl::StatusOr<std::string> ResultOf(const StageContext& stage, domain::JobKind kind);

// What the finished stages left; each reads the queue's results and the artifacts anew.
absl::StatusOr<TrainedCycle> LoadTrained(const StageContext& stage);
absl::StatusOr<CycleExamples> LoadExamples(const StageContext& stage, const TrainedCycle& trained);
// nullopt in a cycle without a table.
absl::StatusOr<std::optional<domain::SelectionRuntime::TableResult>> LoadTable(
    const StageContext& stage);

// The pool as the cycle's detector sees it, by image key; undecodable images are left out.
struct EmbeddedPool {
  std::vector<domain::ImageSignals> candidates;  // U, whose expected objects the labels calibrate
  std::vector<domain::ImageSignals> labeled;     // L
  int64_t images = 0;                            // with the undecodable ones
};
absl::StatusOr<EmbeddedPool> LoadEmbeddedPool(const StageContext& stage,
                                              const TrainedCycle& trained,
                                              const CycleExamples& examples);
// FAILED_PRECONDITION when more images went missing, in all shards together, than a cycle may go on
// without.
absl::Status CheckMissing(const StageContext& stage, const TrainedCycle& trained,
                          const EmbeddedPool& pool);

// What came before the cycle's labels. Empty in a pool's first cycle; after a cold start, whose
// detector knew nothing, only what was realized.
struct LabelHistory {
  std::vector<int64_t> newly_labeled;          // keys of what the previous cycle did not train on
  std::vector<domain::RealizedGain> realized;  // of all cycles before
};
absl::StatusOr<LabelHistory> LoadLabelHistory(const StageContext& stage,
                                              const TrainedCycle& trained,
                                              const CycleExamples& examples);

// Boxes of each class in L, but those to be ignored.
std::vector<int64_t> CountLabels(const StageContext& stage, const CycleExamples& examples);

// Inputs of PlanProbes, and FitTable's.
domain::SelectionRuntime::PlanRequest MakePlanRequest(const StageContext& stage,
                                                      const TrainedCycle& trained,
                                                      const CycleExamples& examples,
                                                      EmbeddedPool pool);

}  // namespace mgral::cycle
