#pragma once

// Inside of server/storage only.

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/domain/pool_store.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// The images as one array per column.
struct ImageArrays {
  std::string ids, kinds, locations, uses, widths, heights, notes;
};
// Errors: INVALID_ARGUMENT on "images[i]..." for texts that cannot be stored and repeated ids.
absl::StatusOr<ImageArrays> ToImageArrays(absl::Span<const domain::NewImage> images);

// Inserts those that are not there. Errors: those of PoolStore::RegisterImages.
absl::StatusOr<domain::PoolStore::Registered> InsertImages(
    pqxx::work& tx, int64_t pool_key, const ImageArrays& arrays,
    absl::Span<const domain::NewImage> images);

}  // namespace mgral::storage
