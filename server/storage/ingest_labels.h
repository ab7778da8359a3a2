#pragma once

// Inside of server/storage only.

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/domain/label_store.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Errors: INVALID_ARGUMENT on "labels[i]..." for texts that cannot be stored and repeated ids.
absl::Status CheckLabels(absl::Span<const domain::NewLabels> labels);

// Writes revisions and image states, and completes live batches that wait for nothing more. The
// labels have passed CheckLabels. Errors: those of LabelStore::IngestLabels.
absl::StatusOr<domain::LabelStore::Ingested> InsertLabels(
    pqxx::work& tx, int64_t pool_key, absl::Span<const domain::NewLabels> labels);

}  // namespace mgral::storage
