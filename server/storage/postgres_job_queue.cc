#include "server/storage/postgres_job_queue.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/status_macros.h"
#include "server/storage/cycle_jobs.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::JobKind;
using domain::JobLease;

// Jobs that may be claimed, of cycles that have not ended.
constexpr char kFreeJobs[] = R"sql(
FROM job j
JOIN cycle c ON c.key = j.cycle_key
WHERE j.state IN ({job.open}, {job.claimed})
  AND (j.state = {job.open} OR j.lease_until <= clock_timestamp())
  AND c.state IN ({cycle.queued}, {cycle.running})
  AND (j.not_before IS NULL OR j.not_before <= clock_timestamp())
)sql";

constexpr char kFreeJobColumns[] = R"sql(
SELECT
  j.key, j.cycle_key, c.pool_key, j.kind, j.shard, j.payload, j.attempt, j.worker,
  j.retries, j.image_retries, j.retries_from
)sql";

constexpr char kOldestUnlocked[] = R"sql(
ORDER BY j.key
LIMIT 1
FOR UPDATE OF j SKIP LOCKED
)sql";

// The first claim starts the cycle.
constexpr char kStartCycle[] = R"sql(
UPDATE cycle
SET state = {cycle.running},
  start_time = coalesce(start_time, clock_timestamp()),
  progress_time = clock_timestamp(),
  revision = revision + 1
WHERE key = $1
  AND state IN ({cycle.queued}, {cycle.running})
)sql";

constexpr char kClaimJob[] = R"sql(
UPDATE job
SET state = {job.claimed},
  lease_token = nextval('lease_token'),
  lease_until = clock_timestamp() + $2::bigint * interval '1 microsecond',
  worker = $3,
  attempt = attempt + 1,
  fraction = 0
WHERE key = $1
RETURNING lease_token
)sql";

constexpr char kExtendLease[] = R"sql(
UPDATE job
SET lease_until = clock_timestamp() + $2::bigint * interval '1 microsecond',
  fraction = greatest(fraction, $3::double precision)
FROM (SELECT fraction AS before FROM job WHERE key = $1) old
WHERE key = $1
RETURNING old.before < $3::double precision AS progressed
)sql";

constexpr char kFindOpenOfKind[] = R"sql(
SELECT 1
FROM job
WHERE cycle_key = $1
  AND kind = $2
  AND state IN ({job.open}, {job.claimed})
LIMIT 1
)sql";

constexpr char kReleaseJob[] = R"sql(
UPDATE job
SET state = {job.open},
  lease_until = NULL,
  free_since = clock_timestamp(),
  attempt = attempt - 1
WHERE key = $1
)sql";

// The job waits for a worker from `not_before` on.
constexpr char kRetryJob[] = R"sql(
UPDATE job
SET state = {job.open},
  lease_until = NULL,
  not_before = clock_timestamp() + $2::bigint * interval '1 microsecond',
  free_since = clock_timestamp() + $2::bigint * interval '1 microsecond',
  attempt = attempt - 1,
  retries = $3,
  image_retries = $4,
  retries_from = $5
WHERE key = $1
)sql";

constexpr char kResults[] = R"sql(
SELECT result
FROM job
WHERE cycle_key = $1
  AND kind = $2
  AND state = {job.done}
ORDER BY shard
)sql";

JobLease ReadLease(const pqxx::row& row) {
  JobLease job;
  job.job_key = row["key"].as<int64_t>();
  job.cycle_key = row["cycle_key"].as<int64_t>();
  job.pool_key = row["pool_key"].as<int64_t>();
  job.kind = static_cast<JobKind>(row["kind"].as<int>());
  job.shard = row["shard"].as<int>();
  job.payload = ReadBytes(row["payload"]);
  job.attempt = row["attempt"].as<int>() + 1;
  job.retries = {row["retries"].as<int>(), row["image_retries"].as<int>(),
                 ReadDouble(row["retries_from"])};
  return job;
}

// The cycle cannot go on: no worker survived the job, which was begun too often.
void GiveUp(pqxx::work& tx, const JobLease& job, int max_attempts, const std::string& worker) {
  if (!LockLiveCycle(tx, job.cycle_key)) return;
  Exec(tx, "UPDATE job SET state = {job.dead} WHERE key = $1", job.job_key);
  EndCycle(tx, job.cycle_key, domain::CycleState::kFailed,
           domain::AttemptsExhausted(job, max_attempts, worker));
}

// False when the cycle has ended meanwhile.
bool StartCycle(pqxx::work& tx, int64_t cycle_key) {
  const bool running = Exec(tx, kStartCycle, cycle_key).affected_rows() == 1;
  if (running) NotifyWatchers(tx);
  return running;
}

}  // namespace

PostgresJobQueue::PostgresJobQueue(ConnectionPool& connections, ChangeListener& listener,
                                   Options options)
    : connections_(connections), listener_(listener), options_(options) {}

absl::StatusOr<std::optional<JobLease>> PostgresJobQueue::Claim(const std::string& worker,
                                                                absl::Duration lease) {
  using Claimed = std::optional<JobLease>;
  const std::string find = absl::StrCat(kFreeJobColumns, kFreeJobs, kOldestUnlocked);
  while (true) {
    bool again = false;  // what was found cannot be worked on: look for another job
    absl::StatusOr<Claimed> claimed =
        InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Claimed> {
          again = false;
          const pqxx::result rows = Exec(tx, find);
          if (rows.empty()) return Claimed();
          JobLease job = ReadLease(rows[0]);
          if (job.attempt > options_.max_attempts) {
            GiveUp(tx, job, options_.max_attempts, ReadText(rows[0]["worker"]));
            again = true;
            return Claimed();
          }
          if (!StartCycle(tx, job.cycle_key)) {
            again = true;
            return Claimed();
          }
          const pqxx::result leased =
              Exec(tx, kClaimJob, job.job_key, int64_t{absl::ToInt64Microseconds(lease)}, worker);
          job.token = leased[0]["lease_token"].as<int64_t>();
          return Claimed(std::move(job));
        });
    if (!claimed.ok() || !again) return claimed;
  }
}

absl::Status PostgresJobQueue::Heartbeat(const JobLease& job, absl::Duration lease,
                                         double fraction) {
  const double bounded = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    const pqxx::result extended =
        Exec(tx, kExtendLease, job.job_key, int64_t{absl::ToInt64Microseconds(lease)}, bounded);
    TouchCycle(tx, job.cycle_key, extended[0]["progressed"].as<bool>());
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Complete(const JobLease& job, const std::string& result,
                                        double seconds,
                                        const std::vector<std::pair<std::string, double>>& metrics,
                                        const std::vector<domain::NewJob>& next) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    // The cycle's lock lets one of several last jobs see that it is the last.
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    FinishJob(tx, job.job_key, result, seconds, metrics);
    const bool last = Exec(tx, kFindOpenOfKind, job.cycle_key, static_cast<int>(job.kind)).empty();
    if (last) InsertJobs(tx, job.cycle_key, next);
    TouchCycle(tx, job.cycle_key, true);
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Fail(const JobLease& job, const std::string& error) {
  const std::string text =
      IsStorableText(error) ? error : "the job failed with an error that is not text";
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    EndCycle(tx, job.cycle_key, domain::CycleState::kFailed,
             absl::StrCat(domain::JobKindName(job.kind), ": ", text));
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Release(const JobLease& job) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    Exec(tx, kReleaseJob, job.job_key);
    NotifyWorkers(tx);
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Retry(const JobLease& job, const domain::RetryCounts& counts,
                                     absl::Duration delay) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    Exec(tx, kRetryJob, job.job_key, int64_t{absl::ToInt64Microseconds(delay)}, counts.errors,
         counts.images, counts.from);
    NotifyWorkers(tx);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> PostgresJobQueue::Results(int64_t cycle_key,
                                                                   JobKind kind) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
        std::vector<std::string> results;
        for (const pqxx::row& row : Exec(tx, kResults, cycle_key, static_cast<int>(kind))) {
          results.push_back(ReadBytes(row["result"]));
        }
        return results;
      });
}

bool PostgresJobQueue::WaitForJob(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const std::string find = absl::StrCat("SELECT 1", kFreeJobs, "LIMIT 1");
  while (true) {
    const uint64_t seen = listener_.Generation(ChangeListener::Topic::kJob);
    const absl::StatusOr<bool> found = InTransaction(
        connections_, Access::kRead,
        [&](pqxx::work& tx) -> absl::StatusOr<bool> { return !Exec(tx, find).empty(); });
    if (found.ok() && *found) return true;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    listener_.Wait(ChangeListener::Topic::kJob, seen, std::min(left, options_.poll_interval));
  }
}

}  // namespace mgral::storage
