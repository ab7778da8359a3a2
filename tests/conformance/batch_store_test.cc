#include <algorithm>
#include <set>

#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Batch;
using domain::BatchState;
using domain::BatchStore;
using domain::Gain;
using domain::ImageState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

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

TEST_F(BatchStoreTest, SweepsEndedLeasesOnce) {
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

TEST_F(BatchStoreTest, FollowsTheQueueInItsOrder) {
  Register(10);
  PublishQueue("mgral", {"img-5", "img-1", "img-7", "img-3"});
  const Batch first = Lease(2, "mgral");
  EXPECT_EQ(first.strategy, "mgral");
  EXPECT_EQ(first.strategy_note, "");
  EXPECT_THAT(Ids(first), ElementsAre("img-5", "img-1"));
  EXPECT_EQ(first.images[1].cell, 1);
  EXPECT_THAT(first.images[1].expected_gain, ElementsAre(0.5f, -0.25f, 1e-7f));
  ASSERT_EQ(first.images[1].predictions.size(), 1u);
  EXPECT_EQ(first.images[1].predictions[0].score, 0.875);
  EXPECT_EQ(first.model_version, 1);
  EXPECT_EQ(first.table_version, 1);
  ASSERT_OK(Label({"img-7"}));  // outside of any lease: no longer to be had
  EXPECT_THAT(Ids(Lease(1, "mgral")), ElementsAre("img-3"));
}

TEST_F(BatchStoreTest, ReturnedImagesTakeTheirPlaceInTheQueueAgain) {
  Register(6);
  PublishQueue("mgral", {"img-5", "img-1", "img-3", "img-2"});
  const Batch first = Lease(1, "mgral");
  const Batch second = Lease(1, "mgral");
  EXPECT_THAT(Ids(second), ElementsAre("img-1"));
  ASSERT_OK(batches().ReleaseBatch(pool_.key, first.batch_id));
  EXPECT_THAT(Ids(Lease(2, "mgral")), ElementsAre("img-5", "img-3"));
  stores_->EndBatchLease(second.batch_id);
  EXPECT_THAT(Ids(Lease(2, "mgral")), ElementsAre("img-1", "img-2"));
}

TEST_F(BatchStoreTest, FillsUpAtRandomAndSaysSo) {
  Register(6);
  PublishQueue("mgral", {"img-5", "img-1"});
  const Batch mixed = Lease(3, "mgral");
  EXPECT_EQ(mixed.strategy, "mgral");
  EXPECT_THAT(mixed.strategy_note, HasSubstr("1 of 3"));
  EXPECT_EQ(mixed.images[2].cell, -1);
  const Batch rest = Lease(2, "mgral");
  EXPECT_EQ(rest.strategy, "random");
  EXPECT_THAT(rest.strategy_note, HasSubstr("2 of 2"));
}

TEST_F(BatchStoreTest, AStrategyWithoutQueueIsAnsweredAtRandomOrByTheColdStart) {
  Register(6);
  PublishQueue("entropy", {"img-5", "img-1"});
  const Batch batch = Lease(1, "core_set");
  EXPECT_EQ(batch.strategy, "random");
  EXPECT_THAT(batch.strategy_note, HasSubstr("no queue of core_set"));
  PublishQueue("cold_start", {"img-2", "img-4"});
  const Batch cold = Lease(1, "mgral");
  EXPECT_EQ(cold.strategy, "cold_start");
  EXPECT_THAT(cold.strategy_note, HasSubstr("too few labels"));
  EXPECT_EQ(Lease(1, "random").strategy, "random");
}

TEST_F(BatchStoreTest, EstimatesWhatTheTableKnows) {
  Register(5);
  PublishQueue("mgral", {"img-5", "img-1", "img-3"});
  std::string table;
  std::vector<BatchStore::TableImage> asked;
  const auto estimator =
      [&](const std::string& bytes,
          const std::vector<BatchStore::TableImage>& images) -> absl::StatusOr<Gain> {
    table = bytes;
    asked = images;
    return Gain{0.25, 0.125, {0.5, -0.1, 0}, {0.1, 0.2, 0.3}};
  };
  const Batch batch = Value(batches().LeaseBatch(Ask(3, "mgral"), estimator));
  EXPECT_EQ(table, std::string("table\0bytes", 11));
  ASSERT_EQ(asked.size(), 2u);  // img-5 isn't registered, the third is random
  EXPECT_EQ(asked[0].image_id, "img-1");
  EXPECT_EQ(asked[0].entry, "entry 0");
  for (const Batch& seen : {batch, Value(batches().GetBatch(pool_.key, batch.batch_id))}) {
    ASSERT_TRUE(seen.estimated_gain.has_value());
    EXPECT_EQ(seen.estimated_gain->mean, 0.25);
    EXPECT_EQ(seen.estimated_gain->standard_error, 0.125);
    EXPECT_THAT(seen.estimated_gain->class_mean, ElementsAre(0.5, -0.1, 0));
    EXPECT_THAT(seen.estimated_gain->class_standard_error, ElementsAre(0.1, 0.2, 0.3));
  }
}

TEST_F(BatchStoreTest, NothingIsLeasedWhenTheEstimateFails) {
  Register(5);
  PublishQueue("mgral", {"img-1"});
  const auto failing = [](const std::string&,
                          const std::vector<BatchStore::TableImage>&) -> absl::StatusOr<Gain> {
    return absl::InternalError("the table is broken");
  };
  EXPECT_EQ(batches().LeaseBatch(Ask(1, "mgral"), failing).status().message(),
            "the table is broken");
  EXPECT_EQ(Counts().leased, 0);
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

TEST_F(BatchStoreTest, LooksUpOnlyWhatTheSnapshotKnows) {
  Register(4);
  EXPECT_EQ(base::Reason(batches().LookUp(pool_.key, {"img-0"}).status()), "NO_TABLE");
  PublishQueue("mgral", {"img-2", "img-0"});
  const auto found = Value(batches().LookUp(pool_.key, {"img-0", "img-2"}));
  EXPECT_EQ(found.table, std::string("table\0bytes", 11));
  EXPECT_EQ(found.table_version, 1);
  EXPECT_EQ(found.model_version, 1);
  ASSERT_EQ(found.images.size(), 2u);
  EXPECT_EQ(found.images[0].entry, "entry 1");
  EXPECT_EQ(found.images[0].cell, 1);
  EXPECT_EQ(FieldOf(batches().LookUp(pool_.key, {"img-0", "img-1"}).status()), "image_ids[1]");
  EXPECT_EQ(FieldOf(batches().LookUp(pool_.key, {"nobody"}).status()), "image_ids[0]");
}

}  // namespace
}  // namespace mgral::test
