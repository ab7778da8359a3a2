#pragma once

// Inside of server/storage only: cycles and their jobs as rows.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/cycle.h"
#include "server/domain/job_queue.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Cycles with their stages. `rest` is what follows "FROM cycle c".
std::string CycleQuery(const std::string& rest);
absl::StatusOr<std::vector<domain::Cycle>> ReadCycles(pqxx::work& tx, const pqxx::result& rows);

// Locks the job, then its cycle, for a call that is fenced by its token. Errors: ABORTED
// "LEASE_LOST".
absl::Status LockJob(pqxx::work& tx, const domain::JobLease& job);

void InsertJobs(pqxx::work& tx, int64_t cycle_key, const std::vector<domain::NewJob>& jobs);
// Ends a cycle that is locked by the caller; its open jobs die.
void EndCycle(pqxx::work& tx, int64_t cycle_key, domain::CycleState state,
              const std::string& error);
// Tells watchers; the revision grows. `got_on`: more of the work is done than before.
void TouchCycle(pqxx::work& tx, int64_t cycle_key, bool got_on);
void NotifyJobs(pqxx::work& tx);

std::string MetricsJson(const std::vector<std::pair<std::string, double>>& metrics);
std::string ReportJson(const domain::TableReport& report);

}  // namespace mgral::storage
