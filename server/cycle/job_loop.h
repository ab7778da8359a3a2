#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "server/cycle/job_runner.h"
#include "server/domain/cycle_store.h"
#include "server/domain/job_queue.h"

namespace mgral::cycle {

struct JobLoopOptions {
  std::string worker;                        // its name in the database and the log
  absl::Duration lease = absl::Seconds(30);  // heartbeats come every third of it
  absl::Duration poll_interval = absl::Seconds(1);
  // How long a job waits, or a worker without a database, after an error that may pass; doubles up
  // to 30 s.
  absl::Duration first_backoff = absl::Milliseconds(200);
  // Of one job for one reason, as CountRetry counts; then the cycle fails.
  int max_transient_failures = 10;
  // Told of every job that was claimed; attempt > 1: its earlier worker fell silent.
  std::function<void(domain::JobKind kind, int attempt)> on_claim;
  // Told of every job that ended: "completed", "failed", "released", "lost"; for the metrics.
  std::function<void(domain::JobKind kind, const std::string& outcome, double seconds)> on_job;
};

// Claims jobs and works on them, one at a time, until stopped. A lease that is lost stops the work
// at its next progress report, and its result is dropped. Errors that may pass (UNAVAILABLE,
// RESOURCE_EXHAUSTED) give the job back to be tried again later, and the worker turns to other
// jobs; other errors fail the cycle.
//
// For tests only: the environment variable MGRAL_FAULT_KILL_AT=<stage>:<point> makes the process
// kill itself (SIGKILL) there; <stage> is train, embed, plan, probe, table, selector or publish,
// <point> is `started` (claimed, nothing done), `working` (at the second report of progress; for
// stages that report none as `before_complete`) or `before_complete` (all done, not yet recorded).
class JobLoop {
 public:
  // All pointers must outlive the loop.
  JobLoop(domain::JobQueue* queue, domain::CycleStore* cycles, JobRunner* runner,
          const JobLoopOptions& options);

  // Works until Stop. Call once, on a thread of its own.
  void Run();
  // Stops claiming; the job in progress is given back at its next progress report (or finished, if
  // that comes first). Thread-safe, returns at once; Run returns soon after.
  void Stop() { stopping_ = true; }

 private:
  class Attempt;
  void Work(const domain::JobLease& job);
  void RecordOutcome(const domain::JobLease& job, const absl::StatusOr<StageOutcome>& outcome,
                     Attempt* attempt, double seconds);
  void Report(const domain::JobLease& job, const std::string& outcome, double seconds);
  void Sleep(absl::Duration duration) const;

  domain::JobQueue* queue_;
  domain::CycleStore* cycles_;
  JobRunner* runner_;
  JobLoopOptions options_;
  std::atomic<bool> stopping_{false};
};

}  // namespace mgral::cycle
