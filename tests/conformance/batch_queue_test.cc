#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Batch;
using domain::BatchStore;
using domain::Gain;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using BatchQueueTest = StoresTest;

TEST_F(BatchQueueTest, FollowsTheQueueInItsOrder) {
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

TEST_F(BatchQueueTest, ReturnedImagesTakeTheirPlaceInTheQueueAgain) {
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

TEST_F(BatchQueueTest, FillsUpAtRandomAndSaysSo) {
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

TEST_F(BatchQueueTest, AStrategyWithoutQueueIsAnsweredAtRandomOrByTheColdStart) {
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

TEST_F(BatchQueueTest, EstimatesWhatTheTableKnows) {
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

TEST_F(BatchQueueTest, NothingIsLeasedWhenTheEstimateFails) {
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

TEST_F(BatchQueueTest, ATableOfAnotherReleaseCostsTheEstimateOnly) {
  Register(5);
  PublishQueue("mgral", {"img-1"});
  const auto older = [](const std::string&,
                        const std::vector<BatchStore::TableImage>&) -> absl::StatusOr<Gain> {
    return base::FailedPrecondition("NO_TABLE", "written by another release");
  };
  const Batch batch = Value(batches().LeaseBatch(Ask(1, "mgral"), older));
  EXPECT_EQ(batch.images.at(0).image_id, "img-1");
  EXPECT_FALSE(batch.estimated_gain.has_value());
}

TEST_F(BatchQueueTest, LooksUpOnlyWhatTheSnapshotKnows) {
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
