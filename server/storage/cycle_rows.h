#pragma once

// Inside of server/storage only: cycles as they are read from rows.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/cycle.h"
#include "server/domain/cycle_store.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// A query for ReadCycles; `rest` follows "FROM cycle c".
std::string CycleQuery(absl::string_view rest);
// With their stages.
absl::StatusOr<std::vector<domain::Cycle>> ReadCycles(pqxx::work& tx, const pqxx::result& rows);

// The cycle of a job that the caller has locked.
absl::StatusOr<domain::CycleStore::CycleContext> LoadContext(pqxx::work& tx,
                                                             const domain::JobLease& job);

// How a report stands in the column snapshot.report.
std::string ReportJson(const domain::TableReport& report);

}  // namespace mgral::storage
