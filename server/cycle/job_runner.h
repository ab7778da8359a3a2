#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/artifact_store.h"
#include "server/domain/batch_store.h"
#include "server/domain/cycle_store.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/job_queue.h"
#include "server/domain/pool_store.h"
#include "server/domain/prediction_store.h"
#include "server/domain/selection_runtime.h"

namespace mgral::cycle {

// What the stages of a cycle work with. All of it outlives the JobRunner.
struct CyclePorts {
  domain::PoolStore* pools = nullptr;
  domain::CycleStore* cycles = nullptr;
  domain::JobQueue* jobs = nullptr;
  domain::ArtifactStore* artifacts = nullptr;
  domain::DetectorRuntime* detector = nullptr;
  domain::SelectionRuntime* selection = nullptr;
  domain::PredictionStore* predictions = nullptr;
};

// What a stage has made, to be recorded by JobQueue::Complete, or, of kPublish, by
// CycleStore::Publish.
struct StageOutcome {
  std::string result;
  std::vector<std::pair<std::string, double>> metrics;
  std::vector<domain::NewJob> next;
  std::optional<domain::CycleStore::Snapshot> snapshot;  // of kPublish only
};

// Runs one job of a cycle in the stage of its kind. The order is kTrain -> kEmbed (500 images a
// job) -> kPlan -> kProbe (one batch a job) -> kTable -> kSelector -> kPublish. Cycles without a
// table (the pool's strategy needs none, `without_table`, cold start) go from kEmbed to kSelector;
// from kPlan if no image is left to choose, and from kTrain if the pool has no images at all.
// kProbe is skipped without validation images. The pool is embedded in any case, also for `random`:
// its predictions are the pre-annotations.
//
// In a pool with an external detector kTrain measures the predictions that the user put, and kEmbed
// passes them on; kSelector follows.
//
// What a cycle works on (labels, unlabeled images, the snapshot before it) is fixed by the first
// attempt at kTrain, so that labels and images which come in meanwhile wait for the next cycle and
// a stage that is run again by another worker gives the same result. Every random choice follows
// from the pool's seed and the number of the cycle. Training resumes from its checkpoint, other
// stages start again. Thread-safe.
class JobRunner {
 public:
  explicit JobRunner(const CyclePorts& ports) : ports_(ports) {}
  virtual ~JobRunner() = default;

  // Errors: CANCELLED when `progress` asked to stop; ABORTED "LEASE_LOST"; UNAVAILABLE and
  // RESOURCE_EXHAUSTED may pass; any other is final for the cycle.
  virtual absl::StatusOr<StageOutcome> Run(const domain::JobLease& job,
                                           const domain::Progress& progress);

 private:
  CyclePorts ports_;
};

}  // namespace mgral::cycle
