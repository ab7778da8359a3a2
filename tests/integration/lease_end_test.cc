// The end of a lease beside the calls that deal with its last image.
#include <gtest/gtest.h>

#include <functional>
#include <optional>  // before pqxx, which looks for it
#include <pqxx/pqxx>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/storage/connection_pool.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_label_store.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

using domain::BatchState;

class LeaseEndTest : public ::testing::Test {
 protected:
  void SetUp() override {
    domain::Pool pool;
    pool.pool_id = "pool";
    pool.classes = {"a"};
    pool_key_ = pools_.CreatePool(pool, {})->key;
    domain::NewImage image;
    image.image_id = "image";
    image.source.location = "image.jpg";
    ASSERT_TRUE(pools_.RegisterImages(pool_key_, {image}, {}).ok());
    domain::BatchStore::LeaseRequest request;
    request.pool_key = pool_key_;
    request.size = 1;
    request.strategy = "random";
    request.lease = absl::Seconds(3);
    const auto batch = batches_.LeaseBatch(request, nullptr);
    ASSERT_TRUE(batch.ok()) << batch.status();
    batch_ = *batch;
  }
  // Labels the only image of the batch; whether they are late.
  bool Label() {
    const auto ingested =
        labels_.IngestLabels(pool_key_, {{"image", {}, "", std::nullopt, batch_.batch_id}}, {});
    EXPECT_TRUE(ingested.ok()) << ingested.status();
    return ingested.ok() && ingested->late > 0;
  }
  void Reject() {
    const absl::Status status = pools_.RejectImage(batch_.images[0].image_key, 0, "truncated");
    EXPECT_TRUE(status.ok()) << status;
  }
  BatchState State() { return batches_.GetBatch(pool_key_, batch_.batch_id)->state; }
  void Until(const std::string& condition) {
    while (database_->Query(absl::StrCat("SELECT ", condition)) != "t") std::this_thread::yield();
  }
  void UntilACallWaits() {
    Until(
        "EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock')");
  }
  void UntilTheLeaseEnds() { Until("(SELECT expire_time <= clock_timestamp() FROM batch)"); }
  // `call` comes in time and then waits, until the lease has ended, for somebody with the image.
  void WaitAcrossTheEnd(const std::function<void()>& call) {
    pqxx::work other(connection_);
    other.exec("SELECT 1 FROM image FOR UPDATE");
    std::thread caller(call);
    UntilACallWaits();
    UntilTheLeaseEnds();
    EXPECT_EQ(State(), BatchState::kExpired);
    other.commit();
    caller.join();
  }

  std::unique_ptr<test::TestDatabase> database_ = test::TestDatabase::Create();
  ConnectionPool connections_{{database_->conninfo(), 4, absl::Seconds(20)}};
  pqxx::connection connection_{database_->conninfo()};
  PostgresPoolStore pools_{connections_};
  PostgresBatchStore batches_{connections_};
  PostgresLabelStore labels_{connections_};
  int64_t pool_key_ = 0;
  domain::Batch batch_;
};

TEST_F(LeaseEndTest, LabelsThatCameInTimeCompleteTheBatch) {
  WaitAcrossTheEnd([&] { EXPECT_FALSE(Label()); });
  EXPECT_EQ(State(), BatchState::kCompleted);
}

TEST_F(LeaseEndTest, ARejectionThatCameInTimeCompletesTheBatch) {
  WaitAcrossTheEnd([&] { Reject(); });
  EXPECT_EQ(State(), BatchState::kCompleted);
}

TEST_F(LeaseEndTest, ABatchStaysExpiredWhateverComesLater) {
  UntilTheLeaseEnds();
  EXPECT_TRUE(Label());  // before the lease is swept
  EXPECT_EQ(State(), BatchState::kExpired);
  ASSERT_TRUE(batches_.RunMaintenance().ok());
  EXPECT_TRUE(Label());
  EXPECT_EQ(State(), BatchState::kExpired);
}

TEST_F(LeaseEndTest, ABatchStaysExpiredWhenItsLastImageIsRejectedLater) {
  UntilTheLeaseEnds();
  Reject();
  EXPECT_EQ(State(), BatchState::kExpired);
}

// Who locks the image first waits in a circle with those who lock the batch first.
TEST_F(LeaseEndTest, ARejectionWaitsForTheBatchWithoutHoldingTheImage) {
  pqxx::work other(connection_);
  other.exec("SELECT 1 FROM batch FOR UPDATE");
  std::thread caller([&] { Reject(); });
  UntilACallWaits();
  EXPECT_NO_THROW(other.exec("SELECT 1 FROM image FOR UPDATE NOWAIT"));
  other.abort();
  caller.join();
  EXPECT_EQ(State(), BatchState::kCompleted);
}

}  // namespace
}  // namespace mgral::storage
