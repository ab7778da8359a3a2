#pragma once

// Inside of server/storage only: batches as they are read from rows.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/batch.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

enum class Predictions { kWith, kWithout };

// A query for ReadBatches; `rest` follows "FROM batch b" and may use parameters. A live lease whose
// time is over is EXPIRED, and its images UNLABELED, at once.
std::string BatchQuery(absl::string_view rest);
// With the images of the batches in rank order.
absl::StatusOr<std::vector<domain::Batch>> ReadBatches(pqxx::work& tx, Predictions predictions,
                                                       const pqxx::result& rows);

// As CycleStore::BatchesSincePublished.
absl::StatusOr<std::vector<domain::Batch>> LoadBatchesSincePublished(pqxx::work& tx,
                                                                     int64_t pool_key);

// As SQL, of `batch b`: the state with the clock taken into account.
extern const char kBatchState[];

// How rows that others have locked are treated.
enum class Contention {
  kSkip,  // passed over: never waits, but may find fewer than there are
  kWait,  // waited for
};
const char* LockClause(Contention contention);  // follows FOR UPDATE

// Gives unlabeled images of these batches back to their pools and to the published queues. The
// caller holds the batches' row locks.
void ReturnImages(pqxx::work& tx, const std::vector<int64_t>& batch_keys);

// Completes those of these batches of which no image is leased any more. The caller has locked
// their rows, and found their leases live then: that is when a lease is in time or late, and
// another look at the clock would call batches expired whose last labels were in time.
void CompleteBatches(pqxx::work& tx, const std::vector<int64_t>& batch_keys);

// Marks leases that are over as expired and returns their images; of one pool, or of all. The
// number of batches.
int64_t ExpireLeases(pqxx::work& tx, std::optional<int64_t> pool_key, Contention contention);

}  // namespace mgral::storage
