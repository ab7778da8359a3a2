#pragma once

// Inside of server/storage only: pools and images as they are read from rows.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/image.h"
#include "server/domain/pool.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// A query for ReadPool; `rest` follows FROM, the pool is `p`.
std::string PoolQuery(const std::string& rest);
domain::Pool ReadPool(const pqxx::row& row);
// The pool with its counts. Errors: NOT_FOUND.
absl::StatusOr<domain::Pool> LoadPool(pqxx::work& tx, int64_t pool_key);
absl::StatusOr<domain::Pool> LoadPoolById(pqxx::work& tx, const std::string& pool_id);
absl::Status PoolNotFound();

// Columns for ReadImage, of `image AS i LEFT JOIN batch AS b ON b.key = i.batch_key`: an image
// whose lease is over counts as unlabeled at once.
extern const char kImageColumns[];
constexpr int kImageColumnCount = 11;
domain::Image ReadImage(const pqxx::row& row);

}  // namespace mgral::storage
