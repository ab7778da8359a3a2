#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/domain/batch.h"
#include "server/domain/cycle.h"
#include "server/domain/job_queue.h"
#include "server/domain/labels.h"
#include "server/domain/model.h"
#include "server/domain/pool.h"
#include "server/domain/request.h"

namespace mgral::domain {

// Cycles and what they publish. Thread-safe; each call is one transaction. Calls with a JobLease
// are fenced like those of JobQueue.
class CycleStore {
 public:
  virtual ~CycleStore() = default;

  // Inserts the cycle with its kTrain job. Errors: ALREADY_EXISTS naming the cycle that runs.
  virtual absl::StatusOr<Cycle> StartCycle(int64_t pool_key, bool without_table,
                                           const RequestKey& request) = 0;
  virtual absl::StatusOr<Cycle> GetCycle(int64_t pool_key, const std::string& cycle_id) = 0;
  virtual absl::StatusOr<Page<Cycle>> ListCycles(int64_t pool_key, const PageRequest& page) = 0;
  // The cycle as soon as its revision differs from `seen`, or as it is after `timeout`.
  virtual absl::StatusOr<Cycle> WaitForChange(int64_t pool_key, const std::string& cycle_id,
                                              int64_t seen, absl::Duration timeout) = 0;
  virtual absl::StatusOr<Cycle> CancelCycle(int64_t pool_key, const std::string& cycle_id) = 0;

  // For workers: the cycle of a job, with its pool.
  struct CycleContext {
    Cycle cycle;
    Pool pool;
    // Both are empty until FixInputs.
    std::string inputs;   // what the cycle works on, in bytes of server/cycle
    std::string work_id;  // random, of this cycle's inputs alone: names its work folder
  };
  virtual absl::StatusOr<CycleContext> ContextOf(const JobLease& job) = 0;
  // Fixes what the job's cycle works on, unless an earlier call has. Gives what is fixed.
  virtual absl::StatusOr<CycleContext> FixInputs(const JobLease& job,
                                                 const std::string& inputs) = 0;
  // The work ids of the cycles that have not ended, of all pools.
  virtual absl::StatusOr<std::vector<std::string>> LiveWorkIds() = 0;

  // The job's cycle has stored these artifacts: they are kept until it ends. What is only stored,
  // and named nowhere, may be deleted an hour later.
  virtual absl::Status KeepArtifacts(const JobLease& job,
                                     const std::vector<std::string>& sha256s) = 0;

  // The cycle goes on without these images; each is recorded once, with the newest reason.
  virtual absl::Status LeaveOut(const JobLease& job, const std::vector<LeftOutImage>& images) = 0;

  // kTrain's outcome; also fills the cycle's counts and mAP.
  struct TrainedModel {
    std::string weights_sha256;
    std::string profile;
    int64_t parameters = 0;
    int64_t training_images = 0;
    Accuracy validation;
    bool cold_start = false;     // nothing to train on: the weights are those it would begin with
    std::string external_model;  // as Model's; such a model has no weights
    std::optional<int64_t> import_version;  // as Model's
  };
  virtual absl::StatusOr<Model> RecordModel(const JobLease& job, const TrainedModel& model) = 0;

  // What kPublish makes visible, in one transaction: the snapshot, its queues, the table.
  struct SnapshotImage {
    int64_t image_key = 0;
    int cell = -1;
    std::string entry;                 // the runtime's table entry; empty without a table
    std::vector<float> expected_gain;  // per class, of the image alone; empty without a table
    std::vector<Box> predictions;
    std::optional<float> expected_boxes;  // in all classes; nullopt where no detector was trained
  };
  struct StrategyQueue {
    std::string strategy;
    std::vector<int64_t> image_keys;  // best first
    std::vector<bool> uniform;        // which of them are drawn at random; empty: none
  };
  struct RealizedGain {
    std::string batch_id;
    Gain gain;
  };
  struct Snapshot {
    std::string table;  // serialized; empty without a table
    std::optional<TableReport> report;
    std::vector<SnapshotImage> images;
    std::vector<StrategyQueue> queues;
    std::string selector_sha256;  // artifact with the selector's parameters, for a warm start
    std::string manifest_sha256;  // artifact that says what the next cycle reads (server/cycle)
    std::vector<std::string> artifacts;  // that the manifest names: kept as long as the snapshot
    std::vector<RealizedGain> realized;  // of the batches labeled since the previous cycle
    double predicted_gain = 0, predicted_gain_se = 0;
    std::optional<double> realized_gain;
    std::string note;  // e.g. "cold_start": what queries of table strategies are told
  };
  // Finishes the kPublish job too and makes the cycle SUCCEEDED. Of earlier snapshots, only the one
  // that was published until now is kept. The artifacts of others, and those that only the cycle
  // kept, may be deleted afterwards.
  virtual absl::Status Publish(const JobLease& job, const Snapshot& snapshot, double seconds) = 0;

  // Stores a model that no cycle trained; the pool's next trainings begin with it. A running cycle
  // goes on. With `publish`, its snapshot, which has no queues, replaces the published one.
  struct ImportedModel {
    std::string weights_sha256;
    std::string file_name;
    std::string profile;
    int64_t parameters = 0;
    int num_classes = 0;
    bool publish = false;
  };
  virtual absl::StatusOr<Model> ImportModel(int64_t pool_key, const ImportedModel& model,
                                            const RequestKey& request) = 0;

  // Publishes the snapshot of that model again, if it is the one that the published one replaced:
  // the two change places. Images keep their states; a running cycle goes on and publishes its own.
  // The next trainings begin as that model's did. Nothing changes if it is published. Errors:
  // NOT_FOUND; FAILED_PRECONDITION "NOT_PUBLISHED" for a model whose cycle did not publish,
  // "SNAPSHOT_NOT_KEPT" for an older one, both on "name".
  virtual absl::StatusOr<Model> Rollback(int64_t pool_key, int64_t version,
                                         const RequestKey& request) = 0;

  // The published snapshot, for a warm start and for replay probes; nullopt before the first.
  struct Published {
    int64_t cycle_key = 0;  // 0: of an imported model; then nothing but the model is set
    Model model;
    std::string selector_sha256;
    std::string manifest_sha256;
    std::string table;
  };
  virtual absl::StatusOr<std::optional<Published>> PublishedSnapshot(int64_t pool_key) = 0;
  // Batches with labels that the published model was not trained on, with their predicted gains.
  virtual absl::StatusOr<std::vector<Batch>> BatchesSincePublished(int64_t pool_key) = 0;

  // Errors: NOT_FOUND.
  virtual absl::StatusOr<Model> GetModel(int64_t pool_key, int64_t version) = 0;
  virtual absl::StatusOr<Page<Model>> ListModels(int64_t pool_key, const PageRequest& page) = 0;
};

}  // namespace mgral::domain
