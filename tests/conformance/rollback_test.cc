// Publishing an earlier snapshot again.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Batch;
using domain::JobLease;
using domain::Model;
using ::testing::ElementsAre;

class RollbackTest : public StoresTest {
 protected:
  absl::StatusOr<Model> Rollback(int64_t version, const domain::RequestKey& request = {}) {
    return cycles().Rollback(pool_.key, version, request);
  }
  // The reason and the field of a refusal.
  static std::string Refusal(const absl::StatusOr<Model>& result) {
    return base::Reason(result.status()) + " " + FieldOf(result.status());
  }
  int64_t Published() { return Value(pools().GetPool("cats")).published_model_version.value_or(0); }
};

TEST_F(RollbackTest, QueriesLookUpsAndTheNextCycleUseTheSnapshot) {
  Register(6);
  PublishQueue("mgral", {"img-0", "img-1", "img-2"});
  PublishQueue("mgral", {"img-5", "img-4", "img-3"});
  const Model model = Value(Rollback(1));
  EXPECT_EQ(model.version, 1);
  EXPECT_TRUE(model.published);
  EXPECT_FALSE(Value(cycles().GetModel(pool_.key, 2)).published);
  EXPECT_EQ(Published(), 1);
  const auto snapshot = Value(cycles().PublishedSnapshot(pool_.key));
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->model.version, 1);
  const Batch batch = Lease(2, "mgral");
  EXPECT_THAT(Ids(batch), ElementsAre("img-0", "img-1"));
  EXPECT_EQ(batch.model_version, 1);
  EXPECT_EQ(batch.table_version, 1);
  EXPECT_EQ(Value(batches().LookUp(pool_.key, {"img-2"})).model_version, 1);
  EXPECT_EQ(FieldOf(batches().LookUp(pool_.key, {"img-5"}).status()), "image_ids[0]");
  // Versions keep growing.
  PublishQueue("mgral", {"img-2", "img-3"});
  EXPECT_EQ(Published(), 3);
  EXPECT_EQ(Lease(1, "mgral").table_version, 3);
}

TEST_F(RollbackTest, WhatIsLabeledOrLeasedInTheMeantimeIsNotHandedOutAgain) {
  Register(8);
  PublishQueue("mgral", {"img-0", "img-1", "img-2", "img-3", "img-4"});
  const Batch released = Lease(1, "mgral"), kept = Lease(1, "mgral");
  EXPECT_THAT(Ids(kept), ElementsAre("img-1"));
  PublishQueue("mgral", {"img-2", "img-5", "img-3"});
  ASSERT_OK(Label(Ids(Lease(1, "mgral"))));  // img-2
  ASSERT_OK(Label({"img-3"}));
  ASSERT_OK(batches().ReleaseBatch(pool_.key, released.batch_id));
  ASSERT_OK(Rollback(1));
  // The released one has its place again, though it was returned under another snapshot.
  EXPECT_THAT(Ids(Lease(2, "mgral")), ElementsAre("img-0", "img-4"));
  EXPECT_EQ(StateOf("img-2"), domain::ImageState::kLabeled);
  ASSERT_OK(batches().ReleaseBatch(pool_.key, kept.batch_id));
  EXPECT_THAT(Ids(Lease(1, "mgral")), ElementsAre("img-1"));
}

TEST_F(RollbackTest, TheTwoSnapshotsChangePlacesAndOlderOnesAreRefused) {
  Register(4);
  PublishQueue("mgral", {"img-0"});
  EXPECT_OK(Rollback(1));  // it is published
  PublishQueue("mgral", {"img-1"});
  PublishQueue("mgral", {"img-2"});
  EXPECT_EQ(Refusal(Rollback(1)), "SNAPSHOT_NOT_KEPT name");
  EXPECT_EQ(Published(), 3);
  for (const int64_t version : {2, 3, 3, 2}) {
    ASSERT_OK(Rollback(version));
    EXPECT_EQ(Published(), version);
  }
  PublishQueue("mgral", {"img-3"});
  EXPECT_EQ(Refusal(Rollback(3)), "SNAPSHOT_NOT_KEPT name");
  ASSERT_OK(Rollback(2));
  EXPECT_THAT(Ids(Lease(1, "mgral")), ElementsAre("img-1"));
}

TEST_F(RollbackTest, ARunningCycleGoesOnAndPublishesItsOwn) {
  Register(4);
  PublishQueue("mgral", {"img-0"});
  PublishQueue("mgral", {"img-1"});
  const JobLease job = RunToPublish();
  EXPECT_EQ(Refusal(Rollback(3)), "NOT_PUBLISHED name");
  ASSERT_OK(Rollback(1));
  ASSERT_OK(cycles().Publish(job, SnapshotOf("mgral", {"img-2"}), 1));
  EXPECT_EQ(Published(), 3);
  EXPECT_EQ(Refusal(Rollback(2)), "SNAPSHOT_NOT_KEPT name");
  EXPECT_OK(Rollback(1));
}

TEST_F(RollbackTest, AModelWhoseCycleDidNotSucceedIsRefused) {
  Register(2);
  EXPECT_TRUE(absl::IsNotFound(Rollback(1).status()));
  RunToPublish();
  ASSERT_OK(cycles().CancelCycle(pool_.key, "1"));
  EXPECT_EQ(Refusal(Rollback(1)), "NOT_PUBLISHED name");
  EXPECT_TRUE(absl::IsNotFound(Rollback(2).status()));
  EXPECT_TRUE(absl::IsNotFound(cycles().Rollback(MakePool("other").key, 1, {}).status()));
  EXPECT_TRUE(absl::IsNotFound(cycles().Rollback(999999, 1, {}).status()));
}

TEST_F(RollbackTest, ARepeatedRequestChangesNothing) {
  Register(4);
  PublishQueue("mgral", {"img-0"});
  PublishQueue("mgral", {"img-1"});
  const domain::RequestKey request = Request("RollbackModel", "r");
  ASSERT_OK(Rollback(1, request));
  PublishQueue("mgral", {"img-2"});
  EXPECT_FALSE(Value(Rollback(1, request)).published);
  EXPECT_EQ(Published(), 3);
  EXPECT_EQ(FieldOf(Rollback(3, Request("RollbackModel", "r", "other")).status()), "request_id");
  // A refused one is not remembered.
  EXPECT_EQ(Refusal(Rollback(2, Request("RollbackModel", "s"))), "SNAPSHOT_NOT_KEPT name");
  EXPECT_OK(Rollback(1, Request("RollbackModel", "s", "other")));
}

TEST_F(RollbackTest, QueriesGoOnWhileTheSnapshotsChangePlaces) {
  constexpr int kImages = 40;
  Register(kImages + 20);
  std::vector<std::string> order;
  for (int i = 0; i < kImages; ++i) order.push_back(absl::StrCat("img-", i));
  PublishQueue("mgral", order);
  PublishQueue("mgral", {order.rbegin(), order.rend()});

  std::mutex mutex;
  std::set<std::string> held;
  std::vector<std::thread> annotators;
  std::atomic<int> left{4};
  for (int a = 0; a < 4; ++a) {
    annotators.emplace_back([&] {
      for (int round = 0; round < 25; ++round) {
        const Batch batch = Lease(3, "mgral");
        {
          std::lock_guard<std::mutex> lock(mutex);
          for (const std::string& id : Ids(batch)) EXPECT_TRUE(held.insert(id).second) << id;
        }
        {
          std::lock_guard<std::mutex> lock(mutex);
          for (const std::string& id : Ids(batch)) held.erase(id);
        }
        EXPECT_OK(batches().ReleaseBatch(pool_.key, batch.batch_id));
      }
      --left;
    });
  }
  for (int64_t version = 1; left > 0; version = 3 - version) EXPECT_OK(Rollback(version));
  for (std::thread& annotator : annotators) annotator.join();

  // Everything is free again, in both queues.
  ASSERT_OK(Rollback(1));
  const Batch all = Lease(kImages, "mgral");
  EXPECT_EQ(Ids(all), order);
  ASSERT_OK(batches().ReleaseBatch(pool_.key, all.batch_id));
  ASSERT_OK(Rollback(2));
  EXPECT_EQ(Ids(Lease(kImages, "mgral")), std::vector<std::string>(order.rbegin(), order.rend()));
}

}  // namespace
}  // namespace mgral::test
