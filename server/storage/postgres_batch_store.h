#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/domain/batch_store.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

class TableCache;

// The order of "random" is that of a hash of the image_id and the pool's seed. A batch is called by
// the strategy whose queue gave at least one of its images, "random" when none did; strategy_note
// says how many were random.
class PostgresBatchStore : public domain::BatchStore {
 public:
  explicit PostgresBatchStore(ConnectionPool& connections, Observer observer = nullptr);
  ~PostgresBatchStore() override;

  absl::StatusOr<domain::Batch> LeaseBatch(const LeaseRequest& request,
                                           const Estimator& estimator) override;
  absl::StatusOr<domain::Batch> GetBatch(int64_t pool_key, const std::string& batch_id) override;
  absl::StatusOr<domain::Page<domain::Batch>> ListBatches(
      int64_t pool_key, const domain::PageRequest& page,
      std::optional<domain::BatchState> state) override;
  absl::StatusOr<domain::Batch> RenewBatch(int64_t pool_key, const std::string& batch_id,
                                           absl::Duration lease) override;
  absl::StatusOr<domain::Batch> ReleaseBatch(int64_t pool_key,
                                             const std::string& batch_id) override;
  // Also adds up the image counts, and forgets requests that are a week old.
  absl::StatusOr<int64_t> RunMaintenance() override;
  absl::StatusOr<TableLookup> LookUp(int64_t pool_key,
                                     const std::vector<std::string>& image_ids) override;

 private:
  void Notify(const Events& events) const;

  ConnectionPool& connections_;
  const Observer observer_;
  const std::unique_ptr<TableCache> tables_;
};

}  // namespace mgral::storage
