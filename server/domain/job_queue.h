#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mgral::domain {

// The units of work of a cycle, in the order in which they follow one another. kPlan clusters the
// embeddings and composes the probes; kEmbed and kProbe come as many jobs of one cycle, which
// workers share out.
enum class JobKind {
  kTrain = 1,
  kEmbed = 2,
  kPlan = 3,
  kProbe = 4,
  kTable = 5,
  kSelector = 6,
  kPublish = 7
};

// "train", "embed", ...: in logs, metrics, errors and MGRAL_FAULT_KILL_AT.
const char* JobKindName(JobKind kind);

struct NewJob {
  JobKind kind = JobKind::kTrain;
  int shard = 0;        // position among the cycle's jobs of this kind
  std::string payload;  // what to do, in bytes of server/cycle
};

// Why a job is given back to be tried again.
enum class RetryReason {
  kError,  // the database, the disk or memory
  kImages  // the places of some images do not answer
};

// How often a job was given back, by reason, since it had done `from` of its work.
struct RetryCounts {
  int errors = 0, images = 0;
  double from = 0;  // as the fraction of Heartbeat

  int Of(RetryReason reason) const { return reason == RetryReason::kImages ? images : errors; }
};

// The counts with one more retry, of a job that got as far as `fraction` in this attempt. A job
// that got further than ever by more than a twentieth has survived what it met before, and is
// counted afresh: outages days apart do not add up. An attempt that begins anew and gets no further
// than earlier ones counts on, so that no job is tried for ever.
RetryCounts CountRetry(RetryCounts before, RetryReason reason, double fraction);

// The right to work on a job. `token` grows with every claim, so that whoever claimed earlier can
// write nothing any more.
struct JobLease {
  int64_t job_key = 0;
  int64_t token = 0;
  int64_t cycle_key = 0;
  int64_t pool_key = 0;
  JobKind kind = JobKind::kTrain;
  int shard = 0;
  std::string payload;
  int attempt = 1;      // from 1; grows when a worker falls silent
  RetryCounts retries;  // of the last Retry
};

// What a cycle FAILED with when a job was claimed `attempts` times, last by `worker`, and never
// finished.
std::string AttemptsExhausted(const JobLease& job, int attempts, const std::string& worker);

// Jobs in PostgreSQL. Thread-safe. Times are the database's.
// Every call with a JobLease gives ABORTED "LEASE_LOST" when the token is no longer the newest or
// the cycle was canceled or deleted.
class JobQueue {
 public:
  virtual ~JobQueue() = default;

  // The oldest job that is free, or whose lease is over; nullopt when there is none. The first
  // claim of a cycle makes it RUNNING. A job claimed more than max_attempts times fails its cycle.
  virtual absl::StatusOr<std::optional<JobLease>> Claim(const std::string& worker,
                                                        absl::Duration lease) = 0;
  // Extends the lease and records progress of the cycle's stage (fraction of this job in [0, 1]).
  virtual absl::Status Heartbeat(const JobLease& job, absl::Duration lease, double fraction) = 0;
  // Records the result (and the work's seconds); if this was the last open job of its kind in the
  // cycle, inserts `next` in the same transaction.
  virtual absl::Status Complete(const JobLease& job, const std::string& result, double seconds,
                                const std::vector<std::pair<std::string, double>>& metrics,
                                const std::vector<NewJob>& next) = 0;
  // The job cannot succeed (bad data, not a crash): the cycle FAILED with this error.
  virtual absl::Status Fail(const JobLease& job, const std::string& error) = 0;
  // Gives the job back unfinished, e.g. when draining; the attempt is not counted.
  virtual absl::Status Release(const JobLease& job) = 0;
  // The same after an error that may pass: the job is not claimed again before `delay` is over.
  // `counts`, which CountRetry gives, stay with the job whoever claims, releases or loses it.
  virtual absl::Status Retry(const JobLease& job, const RetryCounts& counts,
                             absl::Duration delay) = 0;
  // Results of the finished jobs of one kind in the cycle, by shard.
  virtual absl::StatusOr<std::vector<std::string>> Results(int64_t cycle_key, JobKind kind) = 0;
  // Returns true when a job may have become free, false after `timeout`.
  virtual bool WaitForJob(absl::Duration timeout) = 0;
};

}  // namespace mgral::domain
