#include "server/storage/postgres_job_queue.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/storage/cycle_rows.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::JobKind;
using domain::JobLease;

// A job that may be claimed, of a cycle that has not ended; as SQL, of `job j JOIN cycle c`.
constexpr char kFree[] =
    "j.state IN (1, 2) AND (j.state = 1 OR j.lease_until <= clock_timestamp()) AND c.state IN (1, "
    "2)";

JobLease ReadLease(const pqxx::row& row) {
  JobLease job;
  job.job_key = row[0].as<int64_t>();
  job.cycle_key = row[1].as<int64_t>();
  job.pool_key = row[2].as<int64_t>();
  job.kind = static_cast<JobKind>(row[3].as<int>());
  job.shard = row[4].as<int>();
  job.payload = ReadBytes(row[5]);
  job.attempt = row[6].as<int>() + 1;
  return job;
}

// The cycle cannot go on: a job was begun too often, which no worker survived.
void GiveUp(pqxx::work& tx, const JobLease& job, int max_attempts, const std::string& worker) {
  const pqxx::result cycle =
      Exec(tx, "SELECT state FROM cycle WHERE key = $1 FOR UPDATE", job.cycle_key);
  if (cycle.empty() || cycle[0][0].as<int>() > 2) return;
  Exec(tx, "UPDATE job SET state = 4 WHERE key = $1", job.job_key);
  EndCycle(
      tx, job.cycle_key, domain::CycleState::kFailed,
      absl::StrCat("job ", domain::JobKindName(job.kind), " (part ", job.shard, ") was begun ",
                   max_attempts, " times and never finished, last by worker \"", worker, "\""));
}

// Makes the cycle RUNNING with its first claim. False when it has ended meanwhile.
bool StartCycle(pqxx::work& tx, int64_t cycle_key) {
  const bool running = Exec(tx,
                            "UPDATE cycle SET state = 2, start_time = coalesce(start_time, "
                            "clock_timestamp()), progress_time = "
                            "clock_timestamp(), revision = revision + 1 WHERE key = $1 AND state "
                            "IN (1, 2)",
                            cycle_key)
                           .affected_rows() == 1;
  if (running) tx.exec("SELECT pg_notify('mgral_cycle', '')");
  return running;
}

}  // namespace

PostgresJobQueue::PostgresJobQueue(ConnectionPool& connections, ChangeListener& listener,
                                   Options options)
    : connections_(connections), listener_(listener), options_(options) {}

absl::StatusOr<std::optional<JobLease>> PostgresJobQueue::Claim(const std::string& worker,
                                                                absl::Duration lease) {
  using Claimed = std::optional<JobLease>;
  while (true) {
    bool again = false;
    absl::StatusOr<Claimed> claimed =
        InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Claimed> {
          again = false;
          const pqxx::result rows = Exec(
              tx, absl::StrCat("SELECT j.key, j.cycle_key, c.pool_key, j.kind, j.shard, j.payload, "
                               "j.attempt, j.worker FROM job j JOIN cycle c ON c.key = "
                               "j.cycle_key WHERE ",
                               kFree, " ORDER BY j.key LIMIT 1 FOR UPDATE OF j SKIP LOCKED"));
          if (rows.empty()) return Claimed();
          JobLease job = ReadLease(rows[0]);
          if (job.attempt > options_.max_attempts) {
            GiveUp(tx, job, options_.max_attempts, ReadText(rows[0][7]));
            again = true;
            return Claimed();
          }
          if (!StartCycle(tx, job.cycle_key)) {
            again = true;
            return Claimed();
          }
          job.token = Exec(tx,
                           "UPDATE job SET state = 2, lease_token = nextval('lease_token'), "
                           "lease_until = clock_timestamp() + " MGRAL_INTERVAL("$2")
                           ", worker = $3, attempt = attempt + 1, fraction = 0 WHERE key = $1 "
                           "RETURNING lease_token",
                           job.job_key, int64_t{absl::ToInt64Microseconds(lease)}, worker)[0][0]
                          .as<int64_t>();
          return Claimed(std::move(job));
        });
    if (!claimed.ok() || !again) return claimed;
  }
}

absl::Status PostgresJobQueue::Heartbeat(const JobLease& job, absl::Duration lease,
                                         double fraction) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    const absl::Status locked = LockJob(tx, job);
    if (!locked.ok()) return locked;
    const double bounded = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
    const bool got_on = Exec(tx,
         "UPDATE job SET lease_until = clock_timestamp() + " MGRAL_INTERVAL("$2")
         ", fraction = greatest(fraction, $3::double precision) FROM (SELECT fraction AS before FROM job WHERE key = $1) old WHERE key = $1 RETURNING old.before < $3::double precision",
         job.job_key, int64_t{absl::ToInt64Microseconds(lease)}, bounded)[0][0].as<bool>();
    TouchCycle(tx, job.cycle_key, got_on);
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Complete(const JobLease& job, const std::string& result,
                                        double seconds,
                                        const std::vector<std::pair<std::string, double>>& metrics,
                                        const std::vector<domain::NewJob>& next) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    // The cycle's lock lets one of several last jobs see that it is the last.
    const absl::Status locked = LockJob(tx, job);
    if (!locked.ok()) return locked;
    Exec(tx,
         "UPDATE job SET state = 3, fraction = 1, lease_until = NULL, result = $2, seconds = $3, "
         "metrics = $4::jsonb WHERE key = $1",
         job.job_key, Bytes{result}, seconds, MetricsJson(metrics));
    const bool last = Exec(tx,
                           "SELECT 1 FROM job WHERE cycle_key = $1 AND kind = $2 AND state IN (1, "
                           "2) LIMIT 1",
                           job.cycle_key, static_cast<int>(job.kind))
                          .empty();
    if (last) InsertJobs(tx, job.cycle_key, next);
    TouchCycle(tx, job.cycle_key, true);
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Fail(const JobLease& job, const std::string& error) {
  std::string text = error;
  if (!IsStorableText(text)) text = "the job failed with an error that is not text";
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    const absl::Status locked = LockJob(tx, job);
    if (!locked.ok()) return locked;
    EndCycle(tx, job.cycle_key, domain::CycleState::kFailed,
             absl::StrCat(domain::JobKindName(job.kind), ": ", text));
    return absl::OkStatus();
  });
}

absl::Status PostgresJobQueue::Release(const JobLease& job) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    const absl::Status locked = LockJob(tx, job);
    if (!locked.ok()) return locked;
    Exec(tx,
         "UPDATE job SET state = 1, lease_until = NULL, free_since = clock_timestamp(), attempt = "
         "attempt - "
         "1 WHERE key = $1",
         job.job_key);
    NotifyJobs(tx);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> PostgresJobQueue::Results(int64_t cycle_key,
                                                                   JobKind kind) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
        std::vector<std::string> results;
        for (const pqxx::row& row :
             Exec(tx,
                  "SELECT result FROM job WHERE cycle_key = $1 AND kind = $2 AND state = 3 ORDER "
                  "BY shard",
                  cycle_key, static_cast<int>(kind))) {
          results.push_back(ReadBytes(row[0]));
        }
        return results;
      });
}

bool PostgresJobQueue::WaitForJob(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const uint64_t seen = listener_.Generation(ChangeListener::Topic::kJob);
    const absl::StatusOr<bool> found =
        InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<bool> {
          return !Exec(tx, absl::StrCat("SELECT 1 FROM job j JOIN cycle c ON c.key = j.cycle_key "
                                        "WHERE ",
                                        kFree, " LIMIT 1"))
                      .empty();
        });
    if (found.ok() && *found) return true;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    listener_.Wait(ChangeListener::Topic::kJob, seen, std::min(left, options_.poll_interval));
  }
}

}  // namespace mgral::storage
