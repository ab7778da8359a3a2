#pragma once

// Inside of server/storage only.

#include <optional>

#include "absl/status/statusor.h"
#include "server/domain/cycle_store.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Stores the snapshot and makes it the pool's; the caller has locked the job and its cycle. Images,
// queues and artifacts of the snapshot that it replaces stay until the next, since a query may be
// reading them, and for a rollback; older ones go.
absl::Status StoreSnapshot(pqxx::work& tx, const domain::JobLease& job,
                           const domain::CycleStore::Snapshot& snapshot);

// As CycleStore::Rollback, but for the request.
absl::Status PublishAgain(pqxx::work& tx, int64_t pool_key, int64_t version);

// Makes a snapshot of an imported model alone, and publishes it; the caller has locked the pool.
void PublishImported(pqxx::work& tx, int64_t pool_key, int64_t version);

// As CycleStore::PublishedSnapshot.
absl::StatusOr<std::optional<domain::CycleStore::Published>> LoadPublishedSnapshot(
    pqxx::work& tx, int64_t pool_key);

}  // namespace mgral::storage
