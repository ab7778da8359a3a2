#include "server/cycle/job_loop.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "server/base/errors.h"
#include "server/cycle/fault_point.h"
#include "server/domain/image_fault.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::JobLease;

// Hands out the jobs given to it and writes down what happens.
class FakeQueue : public domain::JobQueue {
 public:
  absl::StatusOr<std::optional<JobLease>> Claim(const std::string&, absl::Duration) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (claim_errors > 0) {
      --claim_errors;
      return base::Unavailable("no database", absl::Seconds(1));
    }
    if (jobs.empty()) return std::optional<JobLease>();
    const JobLease job = jobs.front();
    jobs.pop_front();
    return std::optional<JobLease>(job);
  }
  absl::Status Heartbeat(const JobLease&, absl::Duration, double fraction) override {
    std::lock_guard<std::mutex> lock(mutex_);
    heartbeats.push_back(fraction);
    return heartbeat_status;
  }
  absl::Status Complete(const JobLease&, const std::string& result, double,
                        const std::vector<std::pair<std::string, double>>&,
                        const std::vector<domain::NewJob>&) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (complete_errors > 0) {
      --complete_errors;
      return base::Unavailable("no database", absl::Seconds(1));
    }
    if (!complete_status.ok()) return complete_status;
    log.push_back("complete " + result);
    return absl::OkStatus();
  }
  absl::Status Fail(const JobLease&, const std::string& error) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!fail_status.ok()) return fail_status;
    log.push_back("fail " + error);
    return absl::OkStatus();
  }
  absl::Status Release(const JobLease&) override {
    std::lock_guard<std::mutex> lock(mutex_);
    log.push_back("release");
    return absl::OkStatus();
  }
  absl::Status Retry(const JobLease& job, const domain::RetryCounts& counts,
                     absl::Duration delay) override {
    std::lock_guard<std::mutex> lock(mutex_);
    log.push_back("retry " + std::to_string(job.job_key) + " in " + absl::FormatDuration(delay));
    jobs.push_back(job);
    jobs.back().retries = counts;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> Results(int64_t, JobKind) override {
    return std::vector<std::string>();
  }
  bool WaitForJob(absl::Duration timeout) override {
    if (when_idle) when_idle();
    absl::SleepFor(std::min(timeout, absl::Milliseconds(1)));
    return false;
  }

  std::deque<JobLease> jobs;
  std::vector<std::string> log;
  std::vector<double> heartbeats;
  absl::Status heartbeat_status, complete_status, fail_status;
  int claim_errors = 0, complete_errors = 0;
  std::function<void()> when_idle;

  size_t Heartbeats() {
    std::lock_guard<std::mutex> lock(mutex_);
    return heartbeats.size();
  }

 private:
  std::mutex mutex_;
};

class FakeRunner : public JobRunner {
 public:
  FakeRunner() : JobRunner(CyclePorts()) {}
  absl::StatusOr<StageOutcome> Run(const JobLease& job, const domain::Progress& progress) override {
    ++runs;
    return work(job, progress);
  }
  std::function<absl::StatusOr<StageOutcome>(const JobLease&, const domain::Progress&)> work;
  int runs = 0;
};

class JobLoopTest : public testing::Test {
 protected:
  JobLoopTest() {
    options_.lease = absl::Milliseconds(30);
    options_.poll_interval = absl::Milliseconds(1);
    options_.first_backoff = absl::Milliseconds(1);
    options_.on_job = [this](JobKind, const std::string& outcome, double) {
      outcomes_.push_back(outcome);
    };
    JobLease job;
    job.job_key = 7;
    queue_.jobs.push_back(job);
  }

  // Until nothing is left to claim.
  void Run() {
    JobLoop loop(&queue_, nullptr, &stages_, options_);
    queue_.when_idle = [&] { loop.Stop(); };
    loop.Run();
  }

  static StageOutcome Done(const std::string& result) {
    StageOutcome outcome;
    outcome.result = result;
    return outcome;
  }

  FakeQueue queue_;
  FakeRunner stages_;
  JobLoopOptions options_;
  std::vector<std::string> outcomes_;
};

TEST_F(JobLoopTest, CompletesWhatSucceeds) {
  stages_.work = [](const JobLease&, const domain::Progress&) { return Done("r"); };
  Run();
  EXPECT_EQ(queue_.log, std::vector<std::string>{"complete r"});
  EXPECT_EQ(outcomes_, std::vector<std::string>{"completed"});
}

TEST_F(JobLoopTest, HeartbeatsCarryTheProgress) {
  stages_.work = [this](const JobLease&, const domain::Progress& progress) {
    EXPECT_TRUE(progress(0.5));
    while (queue_.Heartbeats() < 2) absl::SleepFor(absl::Milliseconds(1));
    return Done("r");
  };
  Run();
  EXPECT_EQ(queue_.heartbeats.at(1), 0.5);
}

TEST_F(JobLoopTest, ALostLeaseStopsTheWorkAndDropsItsResult) {
  queue_.heartbeat_status = base::LeaseLost("taken over");
  stages_.work = [](const JobLease&,
                    const domain::Progress& progress) -> absl::StatusOr<StageOutcome> {
    while (progress(0.1)) absl::SleepFor(absl::Milliseconds(1));
    return absl::CancelledError("asked to stop");
  };
  Run();
  EXPECT_TRUE(queue_.log.empty());
  EXPECT_EQ(outcomes_, std::vector<std::string>{"lost"});
}

TEST_F(JobLoopTest, AResultThatComesTooLateIsDropped) {
  queue_.complete_status = base::LeaseLost("taken over");
  stages_.work = [](const JobLease&, const domain::Progress&) { return Done("r"); };
  Run();
  EXPECT_TRUE(queue_.log.empty());
  EXPECT_EQ(outcomes_, std::vector<std::string>{"lost"});
}

TEST_F(JobLoopTest, APermanentErrorFailsTheCycle) {
  stages_.work = [](const JobLease&, const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    return absl::InternalError("loss is not finite");
  };
  Run();
  EXPECT_EQ(queue_.log, std::vector<std::string>{"fail loss is not finite"});
  EXPECT_EQ(outcomes_, std::vector<std::string>{"failed"});
}

TEST_F(JobLoopTest, AFailureOfACanceledCycleIsNone) {
  queue_.fail_status = base::LeaseLost("the cycle was canceled");
  stages_.work = [](const JobLease&, const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    return absl::InternalError("the folder is gone");
  };
  Run();
  EXPECT_EQ(outcomes_, std::vector<std::string>{"lost"});
}

TEST_F(JobLoopTest, AnErrorThatMayPassIsTriedAgainLater) {
  stages_.work = [this](const JobLease&, const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    if (stages_.runs < 3) return base::Unavailable("no answer", absl::Seconds(1));
    return Done("r");
  };
  Run();
  EXPECT_EQ(queue_.log,
            (std::vector<std::string>{"retry 7 in 1ms", "retry 7 in 2ms", "complete r"}));
}

TEST_F(JobLoopTest, ButNotForEver) {
  options_.max_transient_failures = 4;
  stages_.work = [](const JobLease&, const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    return base::Unavailable("no answer", absl::Seconds(1));
  };
  Run();
  EXPECT_EQ(queue_.log, (std::vector<std::string>{"retry 7 in 1ms", "retry 7 in 2ms",
                                                  "retry 7 in 4ms", "fail no answer"}));
}

TEST_F(JobLoopTest, OutagesThatAJobSurvivesDoNotAddUp) {
  options_.max_transient_failures = 2;
  stages_.work = [this](const JobLease&,
                        const domain::Progress& progress) -> absl::StatusOr<StageOutcome> {
    EXPECT_TRUE(progress(0.1 * stages_.runs));
    if (stages_.runs < 9) return base::Unavailable("no database", absl::Seconds(1));
    return Done("r");
  };
  Run();
  EXPECT_EQ(queue_.log.back(), "complete r");
}

TEST_F(JobLoopTest, EachReasonHasItsCount) {
  options_.max_transient_failures = 3;
  stages_.work = [this](const JobLease&, const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    const absl::Status error = base::Unavailable("no answer", absl::Seconds(1));
    if (stages_.runs == 5) return Done("r");
    return stages_.runs % 2 == 0 ? error : WithFault(error, domain::ImageFault::kUnreachable);
  };
  Run();
  EXPECT_EQ(queue_.log.size(), 5u);
  EXPECT_EQ(queue_.log.back(), "complete r");
}

// It would wait for hours itself.
TEST_F(JobLoopTest, WhileAJobWaitsTheWorkerDoesOthers) {
  options_.first_backoff = absl::Hours(1);
  JobLease other;
  other.job_key = 8;
  queue_.jobs.push_back(other);
  stages_.work = [this](const JobLease& job,
                        const domain::Progress&) -> absl::StatusOr<StageOutcome> {
    if (stages_.runs == 1) return base::Unavailable("no answer", absl::Seconds(1));
    return Done(std::to_string(job.job_key));
  };
  Run();
  EXPECT_EQ(queue_.log, (std::vector<std::string>{"retry 7 in 30s", "complete 8", "complete 7"}));
}

TEST_F(JobLoopTest, ADatabaseThatIsAwayForAMomentCostsNoWork) {
  queue_.claim_errors = 2;
  queue_.complete_errors = 3;
  queue_.heartbeat_status = base::Unavailable("no database", absl::Seconds(1));
  stages_.work = [this](const JobLease&, const domain::Progress& progress) {
    while (queue_.Heartbeats() < 1) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_TRUE(progress(0.2));
    return Done("r");
  };
  Run();
  EXPECT_EQ(stages_.runs, 1);
  EXPECT_EQ(queue_.log, std::vector<std::string>{"complete r"});
}

TEST_F(JobLoopTest, StoppingGivesTheJobBack) {
  JobLoop loop(&queue_, nullptr, &stages_, options_);
  stages_.work = [&](const JobLease&,
                     const domain::Progress& progress) -> absl::StatusOr<StageOutcome> {
    loop.Stop();
    EXPECT_FALSE(progress(0.5));
    return absl::CancelledError("asked to stop");
  };
  loop.Run();
  EXPECT_EQ(queue_.log, std::vector<std::string>{"release"});
  EXPECT_EQ(outcomes_, std::vector<std::string>{"released"});
}

TEST_F(JobLoopTest, AJobThatEndsWhileStoppingIsRecorded) {
  JobLoop loop(&queue_, nullptr, &stages_, options_);
  stages_.work = [&](const JobLease&, const domain::Progress&) {
    loop.Stop();
    return Done("r");
  };
  loop.Run();
  EXPECT_EQ(queue_.log, std::vector<std::string>{"complete r"});
}

TEST(FaultPointDeathTest, KillsWhereItIsToldAndNowhereElse) {
  setenv("MGRAL_FAULT_KILL_AT", "probe:working", 1);
  FaultPoint(JobKind::kProbe, "started");
  FaultPoint(JobKind::kTrain, "working");
  EXPECT_EXIT(FaultPoint(JobKind::kProbe, "working"), testing::KilledBySignal(SIGKILL), "");
  unsetenv("MGRAL_FAULT_KILL_AT");
  FaultPoint(JobKind::kProbe, "working");
}

}  // namespace
}  // namespace mgral::cycle
