#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mgral::storage {

struct Migration {
  int version = 0;
  std::string name;  // of the file, without ".sql"
  std::string sql;
};

// The files NNN_name.sql of server/storage/migrations, embedded when built; by ascending version.
const std::vector<Migration>& Migrations();

struct MigrationResult {
  int from_version = 0;  // 0: the database was empty
  int to_version = 0;
};
// Brings the database to this program's schema. Each migration is one transaction; an advisory lock
// lets several servers start at once. Errors: FAILED_PRECONDITION "SCHEMA_NEWER" when the database
// was migrated by a newer program; INVALID_ARGUMENT for an address that cannot be read;
// UNAVAILABLE; INTERNAL naming the migration that failed.
absl::StatusOr<MigrationResult> Migrate(const std::string& conninfo);
absl::StatusOr<MigrationResult> Migrate(const std::string& conninfo,
                                        const std::vector<Migration>& migrations);

// OK when the database has exactly this program's schema. Errors: FAILED_PRECONDITION
// "SCHEMA_OLDER" (run `mgral-server migrate`) or "SCHEMA_NEWER"; INVALID_ARGUMENT, UNAVAILABLE.
absl::Status CheckSchema(const std::string& conninfo);

}  // namespace mgral::storage
