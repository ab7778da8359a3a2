#pragma once

// Inside of server/storage only: models as they are read from rows, and stored.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/cycle_store.h"
#include "server/domain/model.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// A query for ReadModel; `rest` follows "FROM model m".
std::string ModelQuery(absl::string_view rest);
absl::StatusOr<domain::Model> ReadModel(const pqxx::row& row);
// Errors: NOT_FOUND.
absl::StatusOr<domain::Model> LoadModel(pqxx::work& tx, int64_t pool_key, int64_t version);

// Until the transaction ends, nobody else gives models of the pool their versions, or publishes.
// Behind the locks of a job and its cycle. Errors: NOT_FOUND.
absl::Status LockPool(pqxx::work& tx, int64_t pool_key);

// Both for a caller that has locked the pool; they give the model's version.
// Inserts the cycle's model, or replaces it when an earlier attempt left one.
int64_t StoreModel(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                   const domain::CycleStore::TrainedModel& model);
// The pool's next trainings begin with it.
int64_t StoreImportedModel(pqxx::work& tx, int64_t pool_key,
                           const domain::CycleStore::ImportedModel& model);

// The imported model that the pool's next trainings begin with, or none.
void StoreStart(pqxx::work& tx, int64_t pool_key, std::optional<int64_t> version);

}  // namespace mgral::storage
