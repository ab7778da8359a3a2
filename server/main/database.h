#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/main/options.h"

namespace mgral::server {

// Connections whose `database` names no password use the one in the first line of the file (as
// libpq's PGPASSWORD). Does nothing for an empty path. Call it before there are threads. Errors:
// INVALID_ARGUMENT when it cannot be read, or is no password.
absl::Status UsePasswordFile(const std::string& path);

// Brings the database to this program's schema, or with `migrate` off checks that it is; waits up
// to database_timeout for a database that does not answer. Errors: INVALID_ARGUMENT for an address
// that cannot be read (at once, and without the address: it may hold the password); UNAVAILABLE
// with libpq's own words; CANCELLED when a stop signal came; those of server/storage/migrations.h.
absl::Status PrepareDatabase(const Options& options, bool migrate);

}  // namespace mgral::server
