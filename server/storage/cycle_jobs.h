#pragma once

// Inside of server/storage only: what happens to a cycle together with its jobs.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/cycle.h"
#include "server/domain/job_queue.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Inserts the pool's next cycle and its first job; the cycle's number. Errors: NOT_FOUND;
// ALREADY_EXISTS naming the cycle that runs.
absl::StatusOr<int64_t> InsertCycle(pqxx::work& tx, int64_t pool_key, bool without_table);

// Locks the job, then its cycle, for a call that is fenced by its token. Errors: ABORTED
// "LEASE_LOST".
absl::Status LockJob(pqxx::work& tx, const domain::JobLease& job);
// Locks the cycle; false when it has ended or is gone.
bool LockLiveCycle(pqxx::work& tx, int64_t cycle_key);

void InsertJobs(pqxx::work& tx, int64_t cycle_key, const std::vector<domain::NewJob>& jobs);
using Metrics = std::vector<std::pair<std::string, double>>;
// Of a job that is locked by the caller.
void FinishJob(pqxx::work& tx, int64_t job_key, const std::string& result, double seconds,
               const Metrics& metrics);
// Ends a cycle that is locked by the caller; its open jobs die.
void EndCycle(pqxx::work& tx, int64_t cycle_key, domain::CycleState state,
              const std::string& error);
// Increments the cycle's revision and wakes its watchers. `progressed`: more of the work is done
// than before.
void TouchCycle(pqxx::work& tx, int64_t cycle_key, bool progressed);

void NotifyWatchers(pqxx::work& tx);
void NotifyWorkers(pqxx::work& tx);

}  // namespace mgral::storage
