#include "server/storage/cycle_jobs.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

// Locks the pool's row: two starts at once come one after the other.
constexpr char kNumberCycle[] = R"sql(
UPDATE pool
SET cycles = cycles + 1
WHERE key = $1
RETURNING cycles AS number, pool_id
)sql";

constexpr char kNumberOfRunning[] = R"sql(
SELECT number
FROM cycle
WHERE pool_key = $1
  AND state IN ({cycle.queued}, {cycle.running})
)sql";

constexpr char kInsertCycle[] = R"sql(
INSERT INTO cycle (pool_key, number, without_table)
VALUES ($1, $2, $3)
RETURNING key
)sql";

constexpr char kLockJob[] = R"sql(
SELECT state = {job.claimed} AND lease_token = $3 AS held
FROM job
WHERE key = $1
  AND cycle_key = $2
FOR UPDATE
)sql";

constexpr char kLockCycle[] = R"sql(
SELECT state IN ({cycle.queued}, {cycle.running}) AS live
FROM cycle
WHERE key = $1
FOR UPDATE
)sql";

constexpr char kInsertJobs[] = R"sql(
INSERT INTO job (cycle_key, kind, shard, payload)
SELECT $1::bigint, u.*
FROM unnest($2::smallint[], $3::integer[], $4::bytea[]) AS u
)sql";

constexpr char kFinishJob[] = R"sql(
UPDATE job
SET state = {job.done},
  fraction = 1,
  lease_until = NULL,
  result = $2,
  seconds = $3,
  metrics = $4::jsonb
WHERE key = $1
)sql";

constexpr char kEndCycle[] = R"sql(
UPDATE cycle
SET state = $2,
  error = $3,
  end_time = clock_timestamp(),
  revision = revision + 1
WHERE key = $1
)sql";

// Jobs that others have locked are dead by their cycle's state.
constexpr char kEndJobs[] = R"sql(
UPDATE job
SET state = {job.dead}
WHERE key IN (
  SELECT key
  FROM job
  WHERE cycle_key = $1
    AND state IN ({job.open}, {job.claimed})
  FOR UPDATE SKIP LOCKED
)
)sql";

constexpr char kTouchCycle[] = R"sql(
UPDATE cycle
SET revision = revision + 1,
  progress_time = CASE WHEN $2 THEN clock_timestamp() ELSE progress_time END
WHERE key = $1
)sql";

std::string MetricsJson(const Metrics& metrics) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : metrics) {
    if (std::isfinite(value)) json[name] = value;  // JSON has no NaN
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<int64_t> InsertCycle(pqxx::work& tx, int64_t pool_key, bool without_table) {
  const pqxx::result pool = Exec(tx, kNumberCycle, pool_key);
  if (pool.empty()) return PoolNotFound();
  const pqxx::result running = Exec(tx, kNumberOfRunning, pool_key);
  if (!running.empty()) {
    return base::AlreadyExists("cycle",
                               absl::StrCat("pools/", ReadText(pool[0]["pool_id"]), "/cycles/",
                                            running[0]["number"].as<int64_t>()),
                               "it is still running; wait for it or cancel it");
  }
  const int64_t number = pool[0]["number"].as<int64_t>();
  const pqxx::result cycle = Exec(tx, kInsertCycle, pool_key, number, without_table);
  InsertJobs(tx, cycle[0]["key"].as<int64_t>(), {domain::NewJob{}});
  return number;
}

absl::Status LockJob(pqxx::work& tx, const domain::JobLease& job) {
  const pqxx::result rows = Exec(tx, kLockJob, job.job_key, job.cycle_key, job.token);
  if (rows.empty()) return base::LeaseLost("the cycle was deleted");
  if (!rows[0]["held"].as<bool>()) {
    return base::LeaseLost("the job was claimed by another worker, finished or given back");
  }
  if (!LockLiveCycle(tx, job.cycle_key)) return base::LeaseLost("the cycle has ended");
  return absl::OkStatus();
}

bool LockLiveCycle(pqxx::work& tx, int64_t cycle_key) {
  const pqxx::result rows = Exec(tx, kLockCycle, cycle_key);
  return !rows.empty() && rows[0]["live"].as<bool>();
}

void InsertJobs(pqxx::work& tx, int64_t cycle_key, const std::vector<domain::NewJob>& jobs) {
  if (jobs.empty()) return;
  std::vector<int64_t> kinds, shards;
  std::vector<std::string> payloads;
  for (const domain::NewJob& job : jobs) {
    kinds.push_back(static_cast<int>(job.kind));
    shards.push_back(job.shard);
    payloads.push_back(job.payload);
  }
  Exec(tx, kInsertJobs, cycle_key, IntArray(kinds), IntArray(shards), BytesArray(payloads));
  NotifyWorkers(tx);
}

void FinishJob(pqxx::work& tx, int64_t job_key, const std::string& result, double seconds,
               const Metrics& metrics) {
  Exec(tx, kFinishJob, job_key, Bytes{result}, seconds, MetricsJson(metrics));
}

void EndCycle(pqxx::work& tx, int64_t cycle_key, domain::CycleState state,
              const std::string& error) {
  Exec(tx, kEndCycle, cycle_key, static_cast<int>(state), error);
  Exec(tx, kEndJobs, cycle_key);
  NotifyWatchers(tx);
}

void TouchCycle(pqxx::work& tx, int64_t cycle_key, bool progressed) {
  Exec(tx, kTouchCycle, cycle_key, progressed);
  NotifyWatchers(tx);
}

void NotifyWatchers(pqxx::work& tx) { Exec(tx, "SELECT pg_notify('mgral_cycle', '')"); }
void NotifyWorkers(pqxx::work& tx) { Exec(tx, "SELECT pg_notify('mgral_job', '')"); }

}  // namespace mgral::storage
