#include "server/storage/migrations.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/conninfo.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

constexpr int64_t kLock = 0x6d6772616c01;  // "mgral", 1

constexpr char kCreateVersions[] = R"sql(
CREATE TABLE IF NOT EXISTS schema_version (
  version integer PRIMARY KEY,
  name text NOT NULL,
  apply_time timestamptz NOT NULL DEFAULT now()
)
)sql";

absl::Status Newer(int found, int known) {
  return base::FailedPrecondition(
      "SCHEMA_NEWER",
      absl::StrCat("the database's schema is version ", found, ", this program knows ", known,
                   ": run a program at least as new as the one that migrated it"));
}

int CurrentVersion(pqxx::transaction_base& tx) {
  const pqxx::result table = Exec(tx, "SELECT to_regclass('schema_version') IS NULL AS missing");
  if (table[0]["missing"].as<bool>()) return 0;
  const pqxx::result rows =
      Exec(tx, "SELECT coalesce(max(version), 0) AS version FROM schema_version");
  return rows[0]["version"].as<int>();
}

absl::Status Apply(pqxx::connection& connection, const Migration& migration) {
  try {
    pqxx::work tx(connection);
    tx.exec(migration.sql);
    Exec(tx, "INSERT INTO schema_version (version, name) VALUES ($1, $2)", migration.version,
         migration.name);
    tx.commit();
    return absl::OkStatus();
  } catch (...) {
    const absl::Status status = CurrentSqlFailure().status;
    return absl::Status(status.code(),
                        absl::StrCat("migration ", migration.name, ": ", status.message()));
  }
}

}  // namespace

absl::StatusOr<MigrationResult> Migrate(const std::string& conninfo) {
  return Migrate(conninfo, Migrations());
}

absl::StatusOr<MigrationResult> Migrate(const std::string& conninfo,
                                        const std::vector<Migration>& migrations) {
  MigrationResult result;
  try {
    Connection connection(CompleteConninfo(conninfo));
    {
      // The session keeps the lock until the connection goes.
      pqxx::nontransaction tx(connection.pq);
      tx.exec("SET lock_timeout = 0");
      Exec(tx, "SELECT pg_advisory_lock($1)", kLock);
      result.from_version = CurrentVersion(tx);
      Exec(tx, kCreateVersions);
    }
    const int known = migrations.empty() ? 0 : migrations.back().version;
    if (result.from_version > known) return Newer(result.from_version, known);
    result.to_version = known;
    for (const Migration& migration : migrations) {
      if (migration.version <= result.from_version) continue;
      const absl::Status status = Apply(connection.pq, migration);
      if (!status.ok()) return status;
    }
    return result;
  } catch (...) {
    return CurrentSqlFailure().status;
  }
}

absl::Status CheckSchema(const std::string& conninfo) {
  try {
    Connection connection(CompleteConninfo(conninfo));
    pqxx::nontransaction tx(connection.pq);
    const int found = CurrentVersion(tx);
    const int known = Migrations().back().version;
    if (found > known) return Newer(found, known);
    if (found < known) {
      return base::FailedPrecondition(
          "SCHEMA_OLDER",
          absl::StrCat("the database's schema is version ", found, ", this program needs ", known,
                       ": run `mgral-server migrate`"));
    }
    return absl::OkStatus();
  } catch (...) {
    return CurrentSqlFailure().status;
  }
}

}  // namespace mgral::storage
