#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/domain/cycle_store.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

// Cycle.model_version is set once the cycle has published; in ContextOf as soon as the model is
// recorded. A batch counts to the first cycle that began after its newest labels.
class PostgresCycleStore : public domain::CycleStore {
 public:
  PostgresCycleStore(ConnectionPool& connections, ChangeListener& listener)
      : connections_(connections), listener_(listener) {}

  absl::StatusOr<domain::Cycle> StartCycle(int64_t pool_key, bool without_table,
                                           const domain::RequestKey& request) override;
  absl::StatusOr<domain::Cycle> GetCycle(int64_t pool_key, const std::string& cycle_id) override;
  absl::StatusOr<domain::Page<domain::Cycle>> ListCycles(int64_t pool_key,
                                                         const domain::PageRequest& page) override;
  absl::StatusOr<domain::Cycle> WaitForChange(int64_t pool_key, const std::string& cycle_id,
                                              int64_t seen, absl::Duration timeout) override;
  absl::StatusOr<domain::Cycle> CancelCycle(int64_t pool_key, const std::string& cycle_id) override;
  absl::StatusOr<CycleContext> ContextOf(const domain::JobLease& job) override;
  absl::StatusOr<CycleContext> FixInputs(const domain::JobLease& job,
                                         const std::string& inputs) override;
  absl::StatusOr<std::vector<std::string>> LiveWorkIds() override;
  absl::Status LeaveOut(const domain::JobLease& job,
                        const std::vector<domain::LeftOutImage>& images) override;
  absl::Status KeepArtifacts(const domain::JobLease& job,
                             const std::vector<std::string>& sha256s) override;
  absl::StatusOr<domain::Model> RecordModel(const domain::JobLease& job,
                                            const TrainedModel& model) override;
  absl::Status Publish(const domain::JobLease& job, const Snapshot& snapshot,
                       double seconds) override;
  absl::StatusOr<domain::Model> ImportModel(int64_t pool_key, const ImportedModel& model,
                                            const domain::RequestKey& request) override;
  absl::StatusOr<domain::Model> Rollback(int64_t pool_key, int64_t version,
                                         const domain::RequestKey& request) override;
  absl::StatusOr<std::optional<Published>> PublishedSnapshot(int64_t pool_key) override;
  absl::StatusOr<std::vector<domain::Batch>> BatchesSincePublished(int64_t pool_key) override;
  absl::StatusOr<domain::Model> GetModel(int64_t pool_key, int64_t version) override;
  absl::StatusOr<domain::Page<domain::Model>> ListModels(int64_t pool_key,
                                                         const domain::PageRequest& page) override;

 private:
  ConnectionPool& connections_;
  ChangeListener& listener_;
};

}  // namespace mgral::storage
