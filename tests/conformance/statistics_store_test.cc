#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::JobKind;
using domain::JobLease;
using domain::Statistics;

class StatisticsStoreTest : public StoresTest {
 protected:
  Statistics Read(int max_pools = 10) { return Value(stores_->statistics().Read(max_pools)); }
};

TEST_F(StatisticsStoreTest, NothingIsAnAnswerToo) {
  ASSERT_OK(pools().DeletePool(pool_.pool_id, true));
  const Statistics statistics = Read();
  EXPECT_EQ(statistics.pool_count, 0);
  EXPECT_TRUE(statistics.pools.empty());
  EXPECT_EQ(statistics.jobs_waiting + statistics.jobs_running + statistics.jobs_overdue, 0);
  EXPECT_EQ(statistics.oldest_waiting_seconds, 0);
  EXPECT_EQ(statistics.oldest_overdue_seconds, 0);
  EXPECT_EQ(statistics.stalled_seconds, 0);
}

TEST_F(StatisticsStoreTest, CountsJobsByWhoHasThem) {
  Value(cycles().StartCycle(pool_.key, false, {}));
  Statistics statistics = Read();
  EXPECT_EQ(statistics.jobs_waiting, 1);
  EXPECT_EQ(statistics.cycles_queued, 1);
  EXPECT_EQ(statistics.cycles_running, 0);
  EXPECT_EQ(statistics.stalled_seconds, 0);
  EXPECT_TRUE(statistics.pools.at(0).cycle_running);

  const JobLease train = Claim(JobKind::kTrain);
  statistics = Read();
  EXPECT_EQ(statistics.jobs_waiting, 0);
  EXPECT_EQ(statistics.jobs_running, 1);
  EXPECT_EQ(statistics.cycles_running, 1);
  EXPECT_EQ(statistics.oldest_waiting_seconds, 0);
  EXPECT_EQ(statistics.oldest_overdue_seconds, 0);

  stores_->EndJobLeases();
  statistics = Read();
  EXPECT_EQ(statistics.jobs_running, 0);
  EXPECT_EQ(statistics.jobs_overdue, 1);
  EXPECT_GE(statistics.oldest_overdue_seconds, 1);

  // Jobs that are left over from a cycle that ended wait for nobody.
  Value(cycles().CancelCycle(pool_.key, "1"));
  statistics = Read();
  EXPECT_EQ(statistics.jobs_waiting + statistics.jobs_running + statistics.jobs_overdue, 0);
  EXPECT_FALSE(statistics.pools.at(0).cycle_running);
  EXPECT_FALSE(statistics.pools.at(0).last_cycle_failed);
}

TEST_F(StatisticsStoreTest, AJobThatWasGivenBackWaitsAnew) {
  Value(cycles().StartCycle(pool_.key, false, {}));
  stores_->AgeWork(absl::Minutes(10));
  EXPECT_GE(Read().oldest_waiting_seconds, 600);
  ASSERT_OK(jobs().Release(Claim(JobKind::kTrain)));
  const Statistics statistics = Read();
  EXPECT_EQ(statistics.jobs_waiting, 1);
  EXPECT_LT(statistics.oldest_waiting_seconds, 600);
}

TEST_F(StatisticsStoreTest, AHeartbeatAloneIsNoProgress) {
  Value(cycles().StartCycle(pool_.key, false, {}));
  const JobLease job = Claim(JobKind::kTrain);
  EXPECT_LT(Read().stalled_seconds, 600);
  stores_->AgeWork(absl::Minutes(10));
  EXPECT_GE(Read().stalled_seconds, 600);
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), 0));
  EXPECT_GE(Read().stalled_seconds, 600);
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), 0.5));
  EXPECT_LT(Read().stalled_seconds, 600);
  stores_->AgeWork(absl::Minutes(10));
  ASSERT_OK(jobs().Heartbeat(job, absl::Minutes(1), 0.5));
  EXPECT_GE(Read().stalled_seconds, 600);
  ASSERT_OK(jobs().Complete(job, "", 1, {}, {{JobKind::kPublish, 0, ""}}));
  EXPECT_LT(Read().stalled_seconds, 600);
}

// One worker and two pools: a cycle whose next job waits in the queue, or whose worker died, is not
// stalled. Only a live worker that gets nowhere is.
TEST_F(StatisticsStoreTest, ACycleThatNobodyWorksOnIsNotStalled) {
  const domain::Pool dogs = MakePool("dogs");
  Value(cycles().StartCycle(pool_.key, false, {}));
  Value(cycles().StartCycle(dogs.key, false, {}));
  const JobLease first = Claim(JobKind::kTrain);
  ASSERT_OK(jobs().Complete(first, "", 1, {}, {{JobKind::kPublish, 0, ""}}));
  const JobLease other = Claim(JobKind::kTrain);
  stores_->AgeWork(absl::Minutes(40));
  ASSERT_OK(jobs().Heartbeat(other, absl::Minutes(1), 0.5));
  Statistics statistics = Read();
  EXPECT_EQ(statistics.cycles_running, 2);
  EXPECT_EQ(statistics.jobs_waiting, 1);
  EXPECT_LT(statistics.stalled_seconds, 600);  // cats waits for the worker of dogs

  const JobLease publish = Claim(JobKind::kPublish);
  EXPECT_EQ(publish.cycle_key, first.cycle_key);
  EXPECT_LT(Read().stalled_seconds, 600);  // the wait before the claim does not count

  stores_->AgeWork(absl::Minutes(40));
  EXPECT_GE(Read().stalled_seconds, 2400);
  stores_->EndJobLeases();
  statistics = Read();
  EXPECT_EQ(statistics.jobs_overdue, 2);
  EXPECT_EQ(statistics.jobs_running, 0);
  EXPECT_EQ(statistics.stalled_seconds, 0);
}

TEST_F(StatisticsStoreTest, TellsOfTheNewestCycleThatEnded) {
  Value(cycles().StartCycle(pool_.key, false, {}));
  ASSERT_OK(jobs().Fail(Claim(JobKind::kTrain), "no luck"));
  EXPECT_TRUE(Read().pools.at(0).last_cycle_failed);
  EXPECT_FALSE(Read().pools.at(0).published.has_value());
  Value(cycles().StartCycle(pool_.key, false, {}));
  EXPECT_TRUE(Read().pools.at(0).last_cycle_failed);  // the next has not ended
  Value(cycles().CancelCycle(pool_.key, "2"));
  Register(2);
  PublishQueue("mgral", {"img-0"});
  EXPECT_FALSE(Read().pools.at(0).last_cycle_failed);
}

TEST_F(StatisticsStoreTest, TellsWhatWasPublished) {
  Register(5);
  const JobLease job = RunToPublish();
  domain::CycleStore::Snapshot snapshot = SnapshotOf("mgral", {"img-0", "img-1"});
  snapshot.report->fidelity = 0.75;
  snapshot.report->replay_probes = 6;
  snapshot.predicted_gain = 0.125;
  ASSERT_OK(cycles().Publish(job, snapshot, 1));
  Lease(2);
  ASSERT_OK(Label({"img-4"}));
  const Statistics::PoolFigures pool = Read().pools.at(0);
  EXPECT_EQ(pool.pool_id, "cats");
  EXPECT_EQ(pool.counts.unlabeled, 2);
  EXPECT_EQ(pool.counts.leased, 2);
  EXPECT_EQ(pool.counts.labeled, 1);
  ASSERT_TRUE(pool.published.has_value());
  EXPECT_LT(pool.published->age_seconds, 600);
  EXPECT_EQ(pool.published->predicted_gain, 0.125);
  EXPECT_EQ(pool.published->fidelity, 0.75);
  EXPECT_EQ(pool.published->replay_probes, 6);
  EXPECT_FALSE(pool.published->realized_gain.has_value());

  const JobLease next = RunToPublish();
  snapshot = SnapshotOf("mgral", {"img-0"});  // its fidelity could not be measured
  snapshot.realized_gain = -0.5;
  ASSERT_OK(cycles().Publish(next, snapshot, 1));
  EXPECT_EQ(Read().pools.at(0).published->realized_gain, -0.5);
  EXPECT_FALSE(Read().pools.at(0).published->fidelity.has_value());
}

TEST_F(StatisticsStoreTest, PoolsWithTheNewestCyclesComeFirst) {
  const domain::Pool dogs = MakePool("dogs");
  MakePool("birds");
  Value(cycles().StartCycle(dogs.key, false, {}));
  Value(cycles().StartCycle(pool_.key, false, {}));
  std::vector<std::string> ids;
  for (const auto& pool : Read().pools) ids.push_back(pool.pool_id);
  EXPECT_THAT(ids, ::testing::ElementsAre("cats", "dogs", "birds"));
  const Statistics few = Read(1);
  EXPECT_EQ(few.pool_count, 3);
  ASSERT_EQ(few.pools.size(), 1u);
  EXPECT_EQ(few.pools[0].pool_id, "cats");
  EXPECT_EQ(few.jobs_waiting, 2);
}

// What the stores tell their observers, for the counters.
TEST_F(StatisticsStoreTest, LeasesCountOnceWhenTheyAreGrantedAndWhenTheyEnd) {
  Register(4);
  domain::BatchStore::LeaseRequest ask = Ask(2);
  ask.request = Request("QueryBatch", "again");
  const domain::Batch batch = Value(batches().LeaseBatch(ask, nullptr));
  Value(batches().LeaseBatch(ask, nullptr));  // the stored answer
  EXPECT_EQ(stores_->seen().granted, 1);
  EXPECT_FALSE(batches().LeaseBatch(Ask(100), nullptr).ok());
  EXPECT_EQ(stores_->seen().granted, 1);
  EXPECT_EQ(stores_->seen().expired, 0);
  stores_->EndBatchLease(batch.batch_id);
  Lease(4);  // needs its images
  EXPECT_EQ(stores_->seen().expired, 1);
  EXPECT_EQ(Value(batches().RunMaintenance()), 0);
  EXPECT_EQ(stores_->seen().expired, 1);
  EXPECT_EQ(stores_->seen().granted, 2);
}

TEST_F(StatisticsStoreTest, SweptLeasesCountAndThoseReleasedDoNot) {
  Register(4);
  const domain::Batch over = Lease(2), released = Lease(2);
  Value(batches().ReleaseBatch(pool_.key, released.batch_id));
  stores_->EndBatchLease(over.batch_id);
  EXPECT_EQ(Value(batches().RunMaintenance()), 1);
  EXPECT_EQ(stores_->seen().expired, 1);
}

TEST_F(StatisticsStoreTest, LabelsCountOnceAndThoseThatAreLateBesides) {
  Register(4);
  const domain::Batch batch = Lease(2);
  stores_->EndBatchLease(batch.batch_id);
  ASSERT_OK(Label({Ids(batch)[0]}, batch.batch_id));
  EXPECT_FALSE(Label({"nobody"}).ok());
  domain::NewLabels label;
  label.image_id = Ids(batch)[1];
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(labels().IngestLabels(pool_.key, {label}, Request("IngestLabels", "again")));
  }
  EXPECT_EQ(stores_->seen().labels, 2);
  EXPECT_EQ(stores_->seen().late, 1);
}

}  // namespace
}  // namespace mgral::test
