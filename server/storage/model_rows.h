#pragma once

// Inside of server/storage only: models as rows.

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/cycle_store.h"
#include "server/domain/model.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// `rest` is what follows "FROM model m".
std::string ModelQuery(const std::string& rest);
absl::StatusOr<domain::Model> ReadModel(const pqxx::row& row);
// Inserts the cycle's model, or replaces it when an earlier attempt left one; its version.
int64_t StoreModel(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                   const domain::CycleStore::TrainedModel& model);

}  // namespace mgral::storage
