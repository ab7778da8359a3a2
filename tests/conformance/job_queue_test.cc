#include <atomic>
#include <limits>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Cycle;
using domain::CycleStage;
using domain::CycleState;
using domain::JobKind;
using domain::JobLease;
using domain::NewJob;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JobQueueTest : public StoresTest {
 protected:
  void SetUp() override {
    StoresTest::SetUp();
    cycle_ = Value(cycles().StartCycle(pool_.key, false, {}));
  }
  Cycle Now() { return Value(cycles().GetCycle(pool_.key, cycle_.cycle_id)); }
  // A token that once was good and is no more.
  void ExpectLost(const JobLease& old) {
    EXPECT_TRUE(base::IsLeaseLost(jobs().Heartbeat(old, absl::Minutes(1), 0.5)));
    EXPECT_TRUE(base::IsLeaseLost(jobs().Complete(old, "result", 1, {}, {})));
    EXPECT_TRUE(base::IsLeaseLost(jobs().Fail(old, "error")));
    EXPECT_TRUE(base::IsLeaseLost(jobs().Release(old)));
    EXPECT_TRUE(base::IsLeaseLost(jobs().Retry(old, {}, absl::Seconds(1))));
    EXPECT_TRUE(base::IsLeaseLost(cycles().ContextOf(old).status()));
    EXPECT_TRUE(base::IsLeaseLost(cycles().RecordModel(old, {}).status()));
    EXPECT_TRUE(base::IsLeaseLost(cycles().Publish(old, {}, 1)));
  }
  Cycle cycle_;
};

TEST_F(JobQueueTest, ClaimsAJobOnce) {
  EXPECT_EQ(Now().state, CycleState::kQueued);
  const JobLease job = Claim(JobKind::kTrain);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_EQ(job.pool_key, pool_.key);
  EXPECT_EQ(job.cycle_key, cycle_.key);
  EXPECT_EQ(Now().state, CycleState::kRunning);
  EXPECT_FALSE(Value(jobs().Claim("other", absl::Minutes(1))).has_value());
  EXPECT_OK(jobs().Heartbeat(job, absl::Minutes(1), 0.25));
  EXPECT_EQ(Now().stages.at(0).fraction, 0.25);
}

TEST_F(JobQueueTest, WhoeverClaimedEarlierCanWriteNothingAnyMore) {
  const JobLease old = Claim(JobKind::kTrain, "slow");
  stores_->EndJobLeases();
  // As long as nobody else has claimed it, the lease can be taken up again.
  ASSERT_OK(jobs().Heartbeat(old, absl::Minutes(1), 0.5));
  stores_->EndJobLeases();
  const JobLease job = Claim(JobKind::kTrain, "quick");
  EXPECT_EQ(job.job_key, old.job_key);
  EXPECT_GT(job.token, old.token);
  EXPECT_EQ(job.attempt, 2);
  ExpectLost(old);
  ASSERT_OK(jobs().Complete(job, "done", 2.5, {}, {{JobKind::kPublish, 0, ""}}));
  ExpectLost(job);  // finished
  EXPECT_THAT(Value(jobs().Results(cycle_.key, JobKind::kTrain)), ElementsAre("done"));
}

TEST_F(JobQueueTest, AJobThatIsTriedAgainLaterIsNotClaimedBefore) {
  const JobLease first = Claim(JobKind::kTrain);
  ASSERT_OK(jobs().Retry(first, {}, absl::Hours(1)));
  ExpectLost(first);
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
  EXPECT_FALSE(jobs().WaitForJob(absl::Milliseconds(20)));
  // Another pool's cycle does not wait for it.
  const domain::Pool other = MakePool("other");
  ASSERT_OK(cycles().StartCycle(other.key, false, {}));
  EXPECT_EQ(Claim(JobKind::kTrain).pool_key, other.key);
  stores_->EndJobDelays();
  const JobLease again = Claim(JobKind::kTrain);
  EXPECT_EQ(again.job_key, first.job_key);
  EXPECT_EQ(again.attempt, 1);
}

TEST_F(JobQueueTest, RetryCountsStayWithTheJob) {
  const auto expect = [](const JobLease& job, int errors, int images, double from) {
    EXPECT_EQ(job.retries.errors, errors);
    EXPECT_EQ(job.retries.images, images);
    EXPECT_EQ(job.retries.from, from);
  };
  JobLease job = Claim(JobKind::kTrain);
  expect(job, 0, 0, 0);
  ASSERT_OK(jobs().Retry(job, {4, 2, 0.1}, absl::ZeroDuration()));
  job = Claim(JobKind::kTrain);
  expect(job, 4, 2, 0.1);
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), 0.9));
  ASSERT_OK(jobs().Release(job));
  expect(Claim(JobKind::kTrain), 4, 2, 0.1);
  stores_->EndJobLeases();
  job = Claim(JobKind::kTrain);
  expect(job, 4, 2, 0.1);
  ASSERT_OK(jobs().Retry(job, {1, 0, 0.9}, absl::ZeroDuration()));
  job = Claim(JobKind::kTrain);
  expect(job, 1, 0, 0.9);
  ASSERT_OK(jobs().Complete(job, "", 1, {}, {{JobKind::kEmbed, 0, ""}}));
  expect(Claim(JobKind::kEmbed), 0, 0, 0);
}

TEST_F(JobQueueTest, InsertsWhatFollowsWithTheLastJobOfAKind) {
  const JobLease train = Claim(JobKind::kTrain);
  std::vector<NewJob> shards;
  for (int i = 0; i < 3; ++i) shards.push_back({JobKind::kEmbed, i, absl::StrCat("part ", i)});
  ASSERT_OK(jobs().Complete(train, "", 1, {}, shards));
  const std::vector<NewJob> next = {{JobKind::kPlan, 0, std::string("pay\0load", 8)}};
  std::vector<JobLease> claimed;
  for (int i = 0; i < 3; ++i) {
    claimed.push_back(Claim(JobKind::kEmbed));
    EXPECT_EQ(claimed[i].shard, i);
    EXPECT_EQ(claimed[i].payload, absl::StrCat("part ", i));
  }
  ASSERT_OK(jobs().Complete(claimed[2], std::string("\0\xff", 2), 1, {{"rate", 2}}, next));
  ASSERT_OK(jobs().Complete(claimed[0], "zero", 2, {{"rate", 4}}, next));
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
  ASSERT_OK(jobs().Complete(claimed[1], "one", 3, {}, next));
  EXPECT_EQ(Claim(JobKind::kPlan).payload, std::string("pay\0load", 8));
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
  EXPECT_THAT(Value(jobs().Results(cycle_.key, JobKind::kEmbed)),
              ElementsAre("zero", "one", std::string("\0\xff", 2)));
  const Cycle cycle = Now();
  EXPECT_EQ(cycle.stage, CycleStage::kProbe);
  ASSERT_EQ(cycle.stages.size(), 3u);
  EXPECT_EQ(cycle.stages[1].fraction, 1);
  EXPECT_EQ(cycle.stages[1].seconds, 6);
  EXPECT_THAT(cycle.stages[1].metrics, ElementsAre(std::make_pair(std::string("rate"), 3.0)));
}

TEST_F(JobQueueTest, ManyWorkersInsertWhatFollowsExactlyOnce) {
  std::vector<NewJob> shards;
  for (int i = 0; i < 24; ++i) shards.push_back({JobKind::kProbe, i, ""});
  ASSERT_OK(jobs().Complete(Claim(JobKind::kTrain), "", 1, {}, shards));
  std::atomic<int> done{0}, tables{0};
  std::vector<std::thread> workers;
  for (int w = 0; w < 8; ++w) {
    workers.emplace_back([&, w] {
      while (done < 24 || tables == 0) {
        const auto job = Value(jobs().Claim(absl::StrCat("worker ", w), absl::Minutes(1)));
        if (!job) continue;
        if (job->kind == JobKind::kTable) {
          ++tables;
          return;
        }
        ASSERT_OK(jobs().Heartbeat(*job, absl::Minutes(1), 0.5));
        ASSERT_OK(
            jobs().Complete(*job, absl::StrCat(job->shard), 1, {}, {{JobKind::kTable, 0, ""}}));
        ++done;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(done, 24);
  EXPECT_EQ(tables, 1);
  EXPECT_EQ(Value(jobs().Results(cycle_.key, JobKind::kProbe)).size(), 24u);
}

TEST_F(JobQueueTest, AReleasedJobIsFreeAgainAndItsAttemptNotCounted) {
  for (int i = 0; i < 10; ++i) {
    const JobLease job = Claim(JobKind::kTrain);
    EXPECT_EQ(job.attempt, 1);
    ASSERT_OK(jobs().Release(job));
    EXPECT_TRUE(base::IsLeaseLost(jobs().Heartbeat(job, absl::Minutes(1), 0.5)));
  }
}

TEST_F(JobQueueTest, AJobThatKillsItsWorkersFailsTheCycle) {
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(Claim(JobKind::kTrain, "unlucky").attempt, i);
    stores_->EndJobLeases();
  }
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
  EXPECT_EQ(Now().state, CycleState::kFailed);
  EXPECT_THAT(Now().error, HasSubstr("train"));
  EXPECT_THAT(Now().error, HasSubstr("3 times"));
  EXPECT_TRUE(Now().end_time.has_value());
  EXPECT_OK(cycles().StartCycle(pool_.key, false, {}));
}

TEST_F(JobQueueTest, AFailedJobFailsTheCycle) {
  const JobLease train = Claim(JobKind::kTrain);
  ASSERT_OK(
      jobs().Complete(train, "", 1, {}, {{JobKind::kProbe, 0, ""}, {JobKind::kProbe, 1, ""}}));
  const JobLease one = Claim(JobKind::kProbe), two = Claim(JobKind::kProbe);
  ASSERT_OK(jobs().Fail(one, std::string("bad \0 data", 10)));
  EXPECT_EQ(Now().state, CycleState::kFailed);
  ExpectLost(two);
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
}

TEST_F(JobQueueTest, CancelingStopsTheWork) {
  const JobLease job = Claim(JobKind::kTrain);
  EXPECT_EQ(Value(cycles().CancelCycle(pool_.key, cycle_.cycle_id)).state, CycleState::kCanceled);
  ExpectLost(job);
  stores_->EndJobLeases();
  EXPECT_FALSE(Value(jobs().Claim("w", absl::Minutes(1))).has_value());
  // Again, and of a cycle that has ended: no error.
  EXPECT_EQ(Value(cycles().CancelCycle(pool_.key, cycle_.cycle_id)).state, CycleState::kCanceled);
}

TEST_F(JobQueueTest, ProgressIsBoundedAndNeverGoesBack) {
  const JobLease job = Claim(JobKind::kTrain);
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), 7));
  EXPECT_EQ(Now().stages.at(0).fraction, 1);
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(Now().stages.at(0).fraction, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ASSERT_OK(jobs().Complete(job, "", 1, {{"loss", nan}, {"rate", 1}}, {{JobKind::kPlan, 0, ""}}));
  EXPECT_EQ(Now().stages.at(0).metrics.size(), 1u);
  const JobLease plan = Claim(JobKind::kPlan);
  ASSERT_OK(jobs().Complete(plan, "", 1, {}, {{JobKind::kProbe, 0, ""}, {JobKind::kProbe, 1, ""}}));
  const double planned = Now().stages.at(1).fraction;
  const JobLease probe = Claim(JobKind::kProbe);
  EXPECT_GE(Now().stages.at(1).fraction, planned);
  ASSERT_OK(jobs().Complete(probe, "", 1, {}, {}));
  EXPECT_NEAR(Now().stages.at(1).fraction, 0.525, 1e-9);
  EXPECT_EQ(Now().stages.size(), 2u);
  EXPECT_TRUE(Now().eta.has_value());
}

TEST_F(JobQueueTest, WaitsForAJob) {
  EXPECT_TRUE(jobs().WaitForJob(absl::ZeroDuration()));
  const JobLease job = Claim(JobKind::kTrain);
  EXPECT_FALSE(jobs().WaitForJob(absl::Milliseconds(20)));
  std::thread giver([&] { EXPECT_OK(jobs().Release(job)); });
  EXPECT_TRUE(jobs().WaitForJob(absl::Seconds(30)));
  giver.join();
}

TEST_F(JobQueueTest, TakesTheOldestJobOfAnyPool) {
  pool_ = MakePool("dogs");
  const Cycle second = Value(cycles().StartCycle(pool_.key, false, {}));
  EXPECT_EQ(Claim(JobKind::kTrain).cycle_key, cycle_.key);
  EXPECT_EQ(Claim(JobKind::kTrain).cycle_key, second.key);
}

}  // namespace
}  // namespace mgral::test
