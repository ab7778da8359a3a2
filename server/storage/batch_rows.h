#pragma once

// Inside of server/storage only: batches as they are read from rows.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/batch.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

enum class Predictions { kWith, kWithout };

// Batches with their images in rank order. `rest` is what follows "FROM batch b" and may use the
// parameters. A live lease whose time is over is EXPIRED, and its images UNLABELED, at once.
template <typename... Args>
absl::StatusOr<std::vector<domain::Batch>> LoadBatches(pqxx::work& tx, Predictions predictions,
                                                       const std::string& rest,
                                                       const Args&... args);

// As SQL, of `batch b`: the state with the clock taken into account.
#define MGRAL_BATCH_STATE \
  "(CASE WHEN b.state = 1 AND b.expire_time <= clock_timestamp() THEN 4 ELSE b.state END)"

// Gives unlabeled images of these batches back to their pools and to the published queues. The
// caller holds the batches' row locks.
void ReturnImages(pqxx::work& tx, const std::vector<int64_t>& batch_keys);

namespace internal {
std::string BatchQuery(const std::string& rest);
absl::StatusOr<std::vector<domain::Batch>> ReadBatches(pqxx::work& tx, Predictions predictions,
                                                       const pqxx::result& rows);
}  // namespace internal

template <typename... Args>
absl::StatusOr<std::vector<domain::Batch>> LoadBatches(pqxx::work& tx, Predictions predictions,
                                                       const std::string& rest,
                                                       const Args&... args) {
  return internal::ReadBatches(tx, predictions, Exec(tx, internal::BatchQuery(rest), args...));
}

}  // namespace mgral::storage
