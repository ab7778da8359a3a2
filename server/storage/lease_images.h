#pragma once

// Inside of server/storage only: the choice of the images of one lease.

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/domain/batch_store.h"
#include "server/storage/batch_rows.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Look-up tables that were read before; they never change. Thread-safe.
class TableCache {
 public:
  // Errors: NOT_FOUND when the pool was deleted.
  absl::StatusOr<std::shared_ptr<const std::string>> Get(pqxx::work& tx, int64_t table_key);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<int64_t, std::shared_ptr<const std::string>> tables_ ABSL_GUARDED_BY(mutex_);
};

// True when fewer images than asked were found although others may have been locked: lease again
// with kWait before believing it.
bool FoundTooFew(const absl::Status& status);

// Leases the images and stores the batch, within `tx`; `expired`: how many leases of the pool
// were over and ended on the way. Errors: those of BatchStore::LeaseBatch, and FoundTooFew with
// kSkip.
absl::StatusOr<domain::Batch> LeaseImages(pqxx::work& tx, TableCache& tables,
                                          const domain::BatchStore::LeaseRequest& request,
                                          const domain::BatchStore::Estimator& estimator,
                                          Contention contention, int64_t* expired);

}  // namespace mgral::storage
