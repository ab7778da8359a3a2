#include <set>

#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Batch;
using domain::BatchState;
using domain::ImageState;
using ::testing::HasSubstr;

using BatchStoreTest = StoresTest;

TEST_F(BatchStoreTest, SaysThatThePoolIsExhausted) {
  const auto empty = batches().LeaseBatch(Ask(1), nullptr);
  EXPECT_EQ(base::Reason(empty.status()), "POOL_EXHAUSTED");
  EXPECT_EQ(FieldOf(empty.status()), "size");
  Register(2);
  Register(5, 2, domain::ImageUse::kValidation);  // never handed out
  auto request = Ask(3);
  const auto fewer = batches().LeaseBatch(request, nullptr);
  EXPECT_EQ(base::Reason(fewer.status()), "POOL_EXHAUSTED");
  EXPECT_EQ(Counts().leased, 0);
  request.allow_fewer = true;
  EXPECT_EQ(Value(batches().LeaseBatch(request, nullptr)).images.size(), 2u);
  EXPECT_EQ(base::Reason(batches().LeaseBatch(request, nullptr).status()), "POOL_EXHAUSTED");
}

TEST_F(BatchStoreTest, UnknownBatchesAreNotFound) {
  Register(1);
  const Batch batch = Lease(1);
  const domain::Pool other = MakePool("other");
  for (const std::string id : {"", "x", "999999", "-1", "00", "99999999999999999999999"}) {
    EXPECT_TRUE(absl::IsNotFound(batches().GetBatch(pool_.key, id).status())) << id;
    EXPECT_TRUE(absl::IsNotFound(batches().RenewBatch(pool_.key, id, absl::Hours(1)).status()));
    EXPECT_TRUE(absl::IsNotFound(batches().ReleaseBatch(pool_.key, id).status()));
  }
  EXPECT_TRUE(absl::IsNotFound(batches().GetBatch(other.key, batch.batch_id).status()));
  EXPECT_TRUE(absl::IsNotFound(batches().ReleaseBatch(other.key, batch.batch_id).status()));
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, batch.batch_id)).state, BatchState::kLeased);
}

TEST_F(BatchStoreTest, BeforeTheFirstCycleItsStrategyIsRandom) {
  Register(10);
  const Batch batch = Lease(4, "mgral");
  EXPECT_EQ(batch.strategy, "random");
  EXPECT_THAT(batch.strategy_note, HasSubstr("no cycle has published"));
  EXPECT_FALSE(batch.model_version.has_value());
  EXPECT_EQ(batch.table_version, 0);
  EXPECT_FALSE(batch.estimated_gain.has_value());
  EXPECT_EQ(batch.annotator, "annotator 7");
  EXPECT_EQ(batch.expire_time - batch.create_time, absl::Hours(1));
  EXPECT_EQ(Lease(1, "random").strategy_note, "");
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(batch.images[i].rank, i);
    EXPECT_EQ(batch.images[i].cell, -1);
    EXPECT_EQ(batch.images[i].state, ImageState::kLeased);
  }
}

TEST_F(BatchStoreTest, TheSameSeedGivesTheSameRandomOrder) {
  Register(50);
  std::vector<std::string> first = Ids(Lease(20));
  pool_ = MakePool("again");  // the same seed, the same images
  Register(50);
  EXPECT_EQ(Ids(Lease(20)), first);
  domain::Pool other;
  other.pool_id = "other-seed";
  other.classes = {"x"};
  other.selection.seed = 8;
  pool_ = Value(pools().CreatePool(other, {}));
  Register(50);
  EXPECT_NE(Ids(Lease(20)), first);
}

TEST_F(BatchStoreTest, NeverLeasesAnImageTwice) {
  Register(30);
  std::set<std::string> seen;
  for (int i = 0; i < 6; ++i) {
    for (const std::string& id : Ids(Lease(5))) EXPECT_TRUE(seen.insert(id).second) << id;
  }
  EXPECT_EQ(seen.size(), 30u);
}

TEST_F(BatchStoreTest, AnEndedLeaseReturnsItsImagesAtOnce) {
  Register(4);
  const Batch batch = Lease(4);
  ASSERT_OK(Label({Ids(batch)[0]}, batch.batch_id));
  stores_->EndBatchLease(batch.batch_id);
  const Batch seen = Value(batches().GetBatch(pool_.key, batch.batch_id));
  EXPECT_EQ(seen.state, BatchState::kExpired);
  EXPECT_EQ(seen.images[0].state, ImageState::kLabeled);
  EXPECT_EQ(seen.images[1].state, ImageState::kUnlabeled);
  EXPECT_EQ(StateOf(Ids(batch)[1]), ImageState::kUnlabeled);
  // Nobody has swept it, and yet its three open images can be had, and no fourth.
  EXPECT_FALSE(batches().LeaseBatch(Ask(4), nullptr).ok());
  EXPECT_EQ(Ids(Lease(3)), std::vector<std::string>({Ids(batch)[1], Ids(batch)[2], Ids(batch)[3]}));
}

TEST_F(BatchStoreTest, CountsEndedLeasesOnce) {
  Register(4);
  const Batch batch = Lease(2);
  Lease(1);
  EXPECT_EQ(Value(batches().RunMaintenance()), 0);
  stores_->EndBatchLease(batch.batch_id);
  EXPECT_EQ(Value(batches().RunMaintenance()), 1);
  EXPECT_EQ(Value(batches().RunMaintenance()), 0);
  EXPECT_EQ(Counts().leased, 1);
  EXPECT_EQ(Counts().unlabeled, 3);
}

TEST_F(BatchStoreTest, RenewsOnlyALiveLease) {
  Register(3);
  const Batch batch = Lease(1);
  const Batch renewed = Value(batches().RenewBatch(pool_.key, batch.batch_id, absl::Hours(5)));
  EXPECT_GT(renewed.expire_time, batch.expire_time + absl::Hours(3));
  EXPECT_EQ(renewed.images.size(), 1u);
  stores_->EndBatchLease(batch.batch_id);
  const auto over = batches().RenewBatch(pool_.key, batch.batch_id, absl::Hours(5));
  EXPECT_EQ(base::Reason(over.status()), "LEASE_OVER");
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, batch.batch_id)).state, BatchState::kExpired);

  const Batch done = Lease(1);
  ASSERT_OK(Label(Ids(done), done.batch_id));
  EXPECT_EQ(base::Reason(batches().RenewBatch(pool_.key, done.batch_id, absl::Hours(1)).status()),
            "LEASE_OVER");
}

TEST_F(BatchStoreTest, ReleasesWhatHasNoLabels) {
  Register(2);
  const Batch batch = Lease(2);
  ASSERT_OK(Label({Ids(batch)[0]}, batch.batch_id));
  const Batch released = Value(batches().ReleaseBatch(pool_.key, batch.batch_id));
  EXPECT_EQ(released.state, BatchState::kReleased);
  EXPECT_EQ(StateOf(Ids(batch)[0]), ImageState::kLabeled);
  EXPECT_EQ(StateOf(Ids(batch)[1]), ImageState::kUnlabeled);
  const Batch next = Lease(1);
  // Twice is no error, and takes nothing from whoever has the image now.
  EXPECT_EQ(Value(batches().ReleaseBatch(pool_.key, batch.batch_id)).state, BatchState::kReleased);
  EXPECT_EQ(StateOf(Ids(next)[0]), ImageState::kLeased);
  stores_->EndBatchLease(next.batch_id);
  EXPECT_EQ(Value(batches().ReleaseBatch(pool_.key, next.batch_id)).state, BatchState::kExpired);
}

TEST_F(BatchStoreTest, ReplaysARequestWithTheSameBatch) {
  Register(5);
  auto request = Ask(2);
  request.request = Request("QueryBatch", "r");
  const Batch first = Value(batches().LeaseBatch(request, nullptr));
  ASSERT_OK(Label({Ids(first)[0]}, first.batch_id));
  const Batch again = Value(batches().LeaseBatch(request, nullptr));
  EXPECT_EQ(again.batch_id, first.batch_id);
  EXPECT_EQ(Ids(again), Ids(first));
  EXPECT_EQ(again.images[0].state, ImageState::kLabeled);
  EXPECT_EQ(Counts().leased, 1);
  request.request.fingerprint = "other";
  EXPECT_EQ(FieldOf(batches().LeaseBatch(request, nullptr).status()), "request_id");
}

TEST_F(BatchStoreTest, AnExhaustedPoolIsNotRemembered) {
  auto request = Ask(2);
  request.request = Request("QueryBatch", "r");
  EXPECT_FALSE(batches().LeaseBatch(request, nullptr).ok());
  Register(2);
  EXPECT_OK(batches().LeaseBatch(request, nullptr));
}

TEST_F(BatchStoreTest, TellsWhatWasDrawnAtRandomAndWhatLabelingCosts) {
  Register(6);
  const domain::JobLease job = RunToPublish();
  auto snapshot = SnapshotOf("mgral", {"img-0", "img-1", "img-2", "img-3"});
  snapshot.queues[0].uniform = {false, true, false, true};
  snapshot.images[3].expected_boxes.reset();  // as an earlier release published it
  ASSERT_OK(cycles().Publish(job, snapshot, 1));
  auto request = Ask(3, "mgral");
  request.cost = {10, 4, true};
  const Batch leased = Value(batches().LeaseBatch(request, nullptr));
  const Batch read = Value(batches().GetBatch(pool_.key, leased.batch_id));
  for (const Batch& batch : {leased, read}) {
    EXPECT_FALSE(batch.images[0].uniform);
    EXPECT_TRUE(batch.images[1].uniform);
    EXPECT_FALSE(batch.images[2].uniform);
    EXPECT_EQ(batch.estimated_cost, 3 * 10 + 4 * (0.5 + 1 + 1.5));
  }
  // The snapshot expects nothing of these: of one, it is unknown; two are newer.
  const Batch rest = Lease(3, "mgral");
  EXPECT_TRUE(rest.images[0].uniform);
  EXPECT_FALSE(rest.images[1].uniform) << "not drawn by the queue";
  EXPECT_FALSE(rest.estimated_cost.has_value());
  EXPECT_FALSE(Value(batches().GetBatch(pool_.key, rest.batch_id)).estimated_cost.has_value());
}

TEST_F(BatchStoreTest, AnImageReturnsToTheQueueAsItWas) {
  Register(2);
  const domain::JobLease job = RunToPublish();
  auto snapshot = SnapshotOf("mgral", {"img-0", "img-1"});
  snapshot.queues[0].uniform = {true, false};
  ASSERT_OK(cycles().Publish(job, snapshot, 1));
  ASSERT_OK(batches().ReleaseBatch(pool_.key, Lease(2, "mgral").batch_id));
  EXPECT_TRUE(Lease(1, "mgral").images[0].uniform);
}

TEST_F(BatchStoreTest, ListsNewestFirstByState) {
  Register(6);
  std::vector<Batch> made;
  for (int i = 0; i < 3; ++i) made.push_back(Lease(2));
  stores_->EndBatchLease(made[1].batch_id);
  const auto first = Value(batches().ListBatches(pool_.key, {2, ""}, std::nullopt));
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].batch_id, made[2].batch_id);
  EXPECT_EQ(Ids(first.items[0]), Ids(made[2]));
  EXPECT_EQ(first.items[1].state, BatchState::kExpired);
  const auto second =
      Value(batches().ListBatches(pool_.key, {2, first.next_page_token}, std::nullopt));
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.next_page_token, "");
  EXPECT_EQ(Value(batches().ListBatches(pool_.key, {9, ""}, BatchState::kLeased)).items.size(), 2u);
  EXPECT_EQ(Value(batches().ListBatches(pool_.key, {9, ""}, BatchState::kExpired)).items.size(),
            1u);
  EXPECT_EQ(FieldOf(batches()
                        .ListBatches(pool_.key, {2, first.next_page_token}, BatchState::kLeased)
                        .status()),
            "page_token");
}

}  // namespace
}  // namespace mgral::test
