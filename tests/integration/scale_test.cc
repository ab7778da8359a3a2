#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/storage/connection_pool.h"
#include "server/storage/lease_images.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_pool_store.h"
#include "server/storage/transaction.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

// What a call reads must not grow with the pool: counted, not timed.
class ScaleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    domain::Pool pool;
    pool.pool_id = "pool";
    pool.classes = {"a"};
    pool_key_ = pools_.CreatePool(pool, {})->key;
    database_->Execute(absl::StrCat(
        "INSERT INTO image (pool_key, image_id, source_kind, location, use, width, height, "
        "shuffle) SELECT ",
        pool_key_,
        ", 'img-' || n, 1, n || '.jpg', 1, 1, 1, hashtextextended(n::text, 0) FROM "
        "generate_series(1, 50000) n"));
  }
  std::unique_ptr<test::TestDatabase> database_ = test::TestDatabase::Create();
  ConnectionPool connections_{{database_->conninfo(), 1, absl::Seconds(5)}};
  PostgresPoolStore pools_{connections_};
  PostgresBatchStore batches_{connections_};
  int64_t pool_key_ = 0;
};

TEST_F(ScaleTest, LeasingReadsAsManyImagesAsItHandsOut) {
  domain::BatchStore::LeaseRequest request;
  request.pool_key = pool_key_;
  request.size = 20;
  request.strategy = "random";
  request.lease = absl::Hours(1);
  // Of this transaction alone, so that nothing has to be waited for.
  const std::string scans = "SELECT pg_stat_get_xact_numscans('image'::regclass)";
  ASSERT_TRUE(RunTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
                TableCache tables;
                for (int i = 0; i < 10; ++i) {
                  int64_t expired = 0;
                  const auto batch =
                      LeaseImages(tx, tables, request, nullptr, Contention::kSkip, &expired);
                  EXPECT_TRUE(batch.ok()) << batch.status();
                }
                EXPECT_EQ(tx.exec(scans)[0][0].as<int>(), 0) << "a full scan of the images";
                return absl::OkStatus();
              }).ok());
}

TEST_F(ScaleTest, CountsNeedNoImages) {
  EXPECT_EQ(pools_.GetPool("pool")->counts.unlabeled, 50000);
  for (int i = 0; i < 40; ++i) {
    domain::NewImage image;
    image.image_id = absl::StrCat("new-", i);
    ASSERT_TRUE(pools_.RegisterImages(pool_key_, {image}, {}).ok());
  }
  ASSERT_TRUE(batches_.RunMaintenance().ok());  // adds the counts up
  EXPECT_EQ(database_->Query("SELECT count(*) FROM image_count"), "1");
  EXPECT_EQ(pools_.GetPool("pool")->counts.unlabeled, 50040);
}

}  // namespace
}  // namespace mgral::storage
