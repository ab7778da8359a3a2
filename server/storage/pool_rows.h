#pragma once

// Inside of server/storage only: pools and images as they are read from rows.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/image.h"
#include "server/domain/pool.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// A query for ReadPool; `rest` follows FROM, the pool is `p`.
std::string PoolQuery(absl::string_view rest);
domain::Pool ReadPool(const pqxx::row& row);
// The pool with its counts. Errors: NOT_FOUND.
absl::StatusOr<domain::Pool> LoadPool(pqxx::work& tx, int64_t pool_key);
absl::StatusOr<domain::Pool> LoadPoolById(pqxx::work& tx, const std::string& pool_id);
absl::Status PoolNotFound();

// A query for ReadImage; `rest` begins with FROM and names `image AS i LEFT JOIN batch AS b ON
// b.key = i.batch_key`; $1 is the pool's key. An image whose lease is over counts as unlabeled at
// once. `more_columns` begins with a comma.
std::string ImageQuery(absl::string_view rest, absl::string_view more_columns = "");
// " AND ..." for such a query: images in that state, written so that the partial indexes serve it.
std::string ImageStateCondition(domain::ImageState state);
domain::Image ReadImage(const pqxx::row& row);
std::vector<domain::Image> ReadImages(const pqxx::result& rows);

}  // namespace mgral::storage
