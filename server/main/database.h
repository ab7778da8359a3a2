#pragma once

#include "absl/status/status.h"
#include "server/main/options.h"

namespace mgral::server {

// Brings the database to this program's schema, or with `migrate` off checks that it is; waits up
// to database_timeout for a database that does not answer. Errors: UNAVAILABLE with libpq's own
// words; CANCELLED when a stop signal came; those of server/storage/migrations.h.
absl::Status PrepareDatabase(const Options& options, bool migrate);

}  // namespace mgral::server
