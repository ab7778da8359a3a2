#include "server/cycle/job_loop.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/stoppable_thread.h"
#include "server/cycle/fault_point.h"
#include "server/domain/image_fault.h"
#include "spdlog/spdlog.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::JobLease;
using domain::RetryReason;

constexpr absl::Duration kMaxBackoff = absl::Seconds(30);
constexpr int kCompleteAttempts = 8;

absl::Duration Backoff(absl::Duration first, int retries) {
  return std::min(first * (1 << std::min(retries, 20)), kMaxBackoff);
}

bool MayPass(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

RetryReason ReasonToRetry(const absl::Status& status) {
  return domain::HasFault(status, domain::ImageFault::kUnreachable) ? RetryReason::kImages
                                                                    : RetryReason::kError;
}

}  // namespace

// One claimed job: extends its lease from a thread of its own until it is destroyed.
class JobLoop::Attempt {
 public:
  Attempt(domain::JobQueue* queue, const JobLease& job, absl::Duration lease,
          const std::atomic<bool>* stopping)
      : queue_(queue), job_(job), lease_(lease), stopping_(stopping) {
    heartbeats_.Start([this](const base::StopSignal& stop) {
      while (!lost_ && !stop.WaitFor(lease_ / 3)) Beat();
    });
  }

  // The stage's progress: false when it should stop.
  bool Progress(double fraction) {
    if (++reports_ == 2) FaultPoint(job_.kind, "working");
    fraction_ = std::min(1.0, std::max(fraction_.load(), fraction));
    return !lost_ && !*stopping_;
  }
  bool lost() const { return lost_; }
  double fraction() const { return fraction_; }  // as far as it got
  int reports() const { return reports_; }

 private:
  void Beat() {
    const absl::Status status = queue_->Heartbeat(job_, lease_, fraction_);
    if (base::IsLeaseLost(status)) lost_ = true;
    // Without the database work goes on: it may come back before the lease is over, and a lease
    // that was taken over in the meantime refuses our result.
    if (!status.ok()) spdlog::warn("heartbeat of job {}: {}", job_.job_key, status.ToString());
  }

  domain::JobQueue* queue_;
  const JobLease job_;
  const absl::Duration lease_;
  const std::atomic<bool>* stopping_;
  std::atomic<bool> lost_{false};
  std::atomic<double> fraction_{0};
  int reports_ = 0;
  base::StoppableThread heartbeats_;  // the last member: it uses the others
};

JobLoop::JobLoop(domain::JobQueue* queue, domain::CycleStore* cycles, JobRunner* runner,
                 const JobLoopOptions& options)
    : queue_(queue), cycles_(cycles), runner_(runner), options_(options) {}

void JobLoop::Run() {
  absl::Duration pause = options_.first_backoff;
  while (!stopping_) {
    const auto job = queue_->Claim(options_.worker, options_.lease);
    if (!job.ok()) {
      spdlog::warn("cannot claim a job: {}", job.status().ToString());
      Sleep(pause);
      pause = std::min(2 * pause, kMaxBackoff);
      continue;
    }
    pause = options_.first_backoff;
    if (job->has_value()) {
      Work(**job);
    } else {
      queue_->WaitForJob(options_.poll_interval);
    }
  }
}

void JobLoop::Work(const JobLease& job) {
  spdlog::info("job {} ({} {}) of cycle {}: attempt {}", job.job_key, domain::JobKindName(job.kind),
               job.shard, job.cycle_key, job.attempt);
  if (options_.on_claim) options_.on_claim(job.kind, job.attempt);
  const absl::Time begin = absl::Now();
  Attempt attempt(queue_, job, options_.lease, &stopping_);
  FaultPoint(job.kind, "started");
  const absl::StatusOr<StageOutcome> outcome =
      runner_->Run(job, [&](double fraction) { return attempt.Progress(fraction); });
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  if (outcome.ok()) {
    if (attempt.reports() < 2) FaultPoint(job.kind, "working");
    FaultPoint(job.kind, "before_complete");
  }
  RecordOutcome(job, outcome, &attempt, seconds);
}

void JobLoop::RecordOutcome(const JobLease& job, const absl::StatusOr<StageOutcome>& outcome,
                            Attempt* attempt, double seconds) {
  absl::Status status = outcome.status();
  // The heartbeat goes on while the database is away for a moment.
  for (int i = 0; outcome.ok() && i < kCompleteAttempts; ++i) {
    if (i > 0) Sleep(Backoff(options_.first_backoff, i));
    status = outcome->snapshot
                 ? cycles_->Publish(job, *outcome->snapshot, seconds)
                 : queue_->Complete(job, outcome->result, seconds, outcome->metrics, outcome->next);
    if (!MayPass(status)) break;
  }
  if (status.ok()) {
    return Report(job, "completed", seconds);
  }
  if (base::IsLeaseLost(status) || attempt->lost()) return Report(job, "lost", seconds);
  if (status.code() == absl::StatusCode::kCancelled && stopping_) {
    const absl::Status released = queue_->Release(job);
    if (!released.ok()) spdlog::warn("cannot give the job back: {}", released.ToString());
    return Report(job, "released", seconds);
  }
  const RetryReason reason = ReasonToRetry(status);
  const domain::RetryCounts retries = domain::CountRetry(job.retries, reason, attempt->fraction());
  if (MayPass(status) && retries.Of(reason) < options_.max_transient_failures) {
    const absl::Duration delay = Backoff(options_.first_backoff, retries.Of(reason) - 1);
    spdlog::warn("job {} is tried again in {}: {}", job.job_key, absl::FormatDuration(delay),
                 status.ToString());
    const absl::Status released = queue_->Retry(job, retries, delay);
    if (!released.ok()) spdlog::warn("cannot give the job back: {}", released.ToString());
    return Report(job, "released", seconds);
  }
  spdlog::error("job {} ({}) failed: {}", job.job_key, domain::JobKindName(job.kind),
                status.ToString());
  const absl::Status failed = queue_->Fail(job, std::string(status.message()));
  if (!failed.ok()) spdlog::warn("cannot record the failure: {}", failed.ToString());
  // A canceled cycle's folder may be swept before the heartbeat hears of it.
  Report(job, base::IsLeaseLost(failed) ? "lost" : "failed", seconds);
}

void JobLoop::Report(const JobLease& job, const std::string& outcome, double seconds) {
  spdlog::info("job {} ({}): {} after {:.2f} s", job.job_key, domain::JobKindName(job.kind),
               outcome, seconds);
  if (options_.on_job) options_.on_job(job.kind, outcome, seconds);
}

// In small parts, so that Stop is heard.
void JobLoop::Sleep(absl::Duration duration) const {
  const absl::Time end = absl::Now() + duration;
  while (!stopping_ && absl::Now() < end) {
    absl::SleepFor(std::min(absl::Milliseconds(50), end - absl::Now()));
  }
}

}  // namespace mgral::cycle
