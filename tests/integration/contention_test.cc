#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/connection_pool.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_label_store.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

constexpr int kClients = 32;

class ContentionTest : public ::testing::Test {
 protected:
  void SetUp() override { MakePool("pool"); }
  void MakePool(const std::string& pool_id) {
    domain::Pool pool;
    pool.pool_id = pool_id;
    pool.classes = {"a"};
    const auto created = pools_.CreatePool(pool, {});
    ASSERT_TRUE(created.ok()) << created.status();
    pool_key_ = created->key;
  }
  void Register(int count) {
    std::vector<domain::NewImage> images(count);
    for (int i = 0; i < count; ++i) {
      images[i].image_id = absl::StrCat("img-", i);
      images[i].source.location = absl::StrCat(i, ".jpg");
    }
    const auto registered = pools_.RegisterImages(pool_key_, images, {});
    ASSERT_TRUE(registered.ok()) << registered.status();
  }
  // A published snapshot whose queue is the first `length` images, by hand.
  void PublishQueue(int length) {
    database_->Execute(absl::StrCat(
        "INSERT INTO cycle (pool_key, number, without_table, state, end_time) VALUES (", pool_key_,
        ", 1, true, 3, now());"
        "INSERT INTO model (pool_key, version, cycle_key, profile, parameters, weights_sha256, "
        "cold_start, training_images, validation_images, map50, map50_11_point, map, class_ap50, "
        "class_ap50_11_point, class_ap, class_boxes) SELECT pool_key, 1, key, '', 0, '', false, 0, "
        "0, 0, 0, 0, '{}', '{}', '{}', '{}' FROM cycle;"
        "INSERT INTO snapshot (pool_key, cycle_key, model_key, strategies, note, selector_sha256, "
        "manifest_sha256) SELECT pool_key, cycle_key, key, '{mgral}', '', '', '' FROM model;"
        "INSERT INTO queue_entry (snapshot_key, image_key, strategy, position) SELECT s.key, "
        "i.key, "
        "'mgral', row_number() OVER (ORDER BY i.key) FROM image i, snapshot s ORDER BY i.key "
        "LIMIT ",
        length, "; UPDATE pool SET snapshot_key = (SELECT key FROM snapshot)"));
  }
  domain::BatchStore::LeaseRequest Ask(int size) {
    domain::BatchStore::LeaseRequest request;
    request.pool_key = pool_key_;
    request.size = size;
    request.strategy = "mgral";
    request.lease = absl::Hours(1);
    return request;
  }
  // Leases from kClients threads until the pool is exhausted; fails on an image seen twice.
  void LeaseAll(int size) {
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([this, size] {
        while (true) {
          const auto batch = batches_.LeaseBatch(Ask(size), nullptr);
          if (!batch.ok()) {
            EXPECT_EQ(base::Reason(batch.status()), "POOL_EXHAUSTED") << batch.status();
            return;
          }
          std::lock_guard<std::mutex> lock(mutex_);
          for (const auto& image : batch->images) {
            EXPECT_TRUE(seen_.insert(image.image_id).second) << image.image_id;
          }
        }
      });
    }
    for (std::thread& client : clients) client.join();
  }
  std::string Leased() { return database_->Query("SELECT count(*) FROM image WHERE state = 2"); }

  std::unique_ptr<test::TestDatabase> database_ = test::TestDatabase::Create();
  ConnectionPool connections_{{database_->conninfo(), kClients, absl::Seconds(60)}};
  PostgresPoolStore pools_{connections_};
  PostgresBatchStore batches_{connections_};
  PostgresLabelStore labels_{connections_};
  int64_t pool_key_ = 0;
  std::mutex mutex_;
  std::set<std::string> seen_;
};

TEST_F(ContentionTest, ClientsNeverShareAnImageAndTogetherGetAll) {
  Register(960);
  LeaseAll(5);
  EXPECT_EQ(seen_.size(), 960u);
  EXPECT_EQ(Leased(), "960");
}

TEST_F(ContentionTest, TheSameWithAQueue) {
  Register(640);
  PublishQueue(400);
  LeaseAll(4);
  EXPECT_EQ(seen_.size(), 640u);
}

// Each asks for exactly its share: whoever only skipped what others had locked would refuse some.
TEST_F(ContentionTest, NobodyIsRefusedWhileThereIsEnough) {
  for (int round = 0; round < 3; ++round) {
    MakePool(absl::StrCat("round-", round));
    Register(3 * kClients);
    std::atomic<int> refused{0};
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&] {
        const auto batch = batches_.LeaseBatch(Ask(3), nullptr);
        if (!batch.ok()) ++refused;
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(refused, 0);
  }
}

TEST_F(ContentionTest, ARepeatedRequestLeasesOnce) {
  Register(100);
  auto request = Ask(10);
  request.request = {"QueryBatch", "same", "fingerprint"};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&] {
      const auto batch = batches_.LeaseBatch(request, nullptr);
      ASSERT_TRUE(batch.ok()) << batch.status();
      std::lock_guard<std::mutex> lock(mutex_);
      seen_.insert(batch->batch_id);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(seen_.size(), 1u);
  EXPECT_EQ(Leased(), "10");
}

// Leasing, labeling, releasing and expiring at once: every image ends where it belongs.
TEST_F(ContentionTest, EverythingAtOnceKeepsTheBooks) {
  Register(300);
  PublishQueue(200);
  std::vector<std::thread> clients;
  for (int c = 0; c < 12; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 12; ++i) {
        auto request = Ask(4);
        request.allow_fewer = true;
        const auto batch = batches_.LeaseBatch(request, nullptr);
        if (!batch.ok()) {
          EXPECT_EQ(base::Reason(batch.status()), "POOL_EXHAUSTED") << batch.status();
          continue;
        }
        if (c % 4 == 0) {
          EXPECT_TRUE(batches_.ReleaseBatch(pool_key_, batch->batch_id).ok());
        } else if (c % 4 == 1) {
          EXPECT_TRUE(batches_.RenewBatch(pool_key_, batch->batch_id, absl::Seconds(0)).ok());
          EXPECT_TRUE(batches_.RunMaintenance().ok());
        } else {
          std::vector<domain::NewLabels> labels;
          for (const auto& image : batch->images) {
            labels.push_back({image.image_id, {}, "", std::nullopt, batch->batch_id});
          }
          const auto ingested = labels_.IngestLabels(pool_key_, labels, {});
          EXPECT_TRUE(ingested.ok()) << ingested.status();
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ASSERT_TRUE(batches_.RunMaintenance().ok());
  const auto pool = pools_.GetPool("pool");
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ(pool->counts.leased, 0);
  EXPECT_EQ(std::to_string(pool->counts.labeled),
            database_->Query("SELECT count(*) FROM image WHERE state = 3"));
  EXPECT_EQ(pool->counts.labeled + pool->counts.unlabeled, 300);
  // Whoever can be had stands in the queue as such.
  EXPECT_EQ(database_->Query("SELECT count(*) FROM queue_entry q JOIN image i ON i.key = "
                             "q.image_key WHERE i.state = 1 AND q.taken"),
            "0");
  EXPECT_EQ(database_->Query("SELECT count(*) FROM batch WHERE state = 1"), "0");
}

TEST_F(ContentionTest, OverlappingRegistrationsCountEachImageOnce) {
  std::atomic<int64_t> registered{0}, existing{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      std::vector<domain::NewImage> images(200);
      for (int i = 0; i < 200; ++i) {
        // Forwards and backwards: they would wait for each other.
        const int number = c % 2 == 0 ? i : 199 - i;
        images[i].image_id = absl::StrCat("img-", number);
        images[i].source.location = absl::StrCat(number, ".jpg");
      }
      const auto result = pools_.RegisterImages(pool_key_, images, {});
      ASSERT_TRUE(result.ok()) << result.status();
      registered += result->registered;
      existing += result->existing;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(registered, 200);
  EXPECT_EQ(existing, 7 * 200);
  EXPECT_EQ(pools_.GetPool("pool")->counts.training, 200);
}

// The images have no foreign key of their own, so this is on us.
TEST_F(ContentionTest, APoolDeletedMeanwhileLeavesNoImages) {
  for (int round = 0; round < 5; ++round) {
    const std::string pool_id = absl::StrCat("doomed-", round);
    MakePool(pool_id);
    std::atomic<int> registered{0};
    std::vector<std::thread> clients;
    for (int c = 0; c < 4; ++c) {
      clients.emplace_back([&, c] {
        for (int i = 0;; ++i) {
          domain::NewImage image;
          image.image_id = absl::StrCat(c, "-", i);
          const auto result = pools_.RegisterImages(pool_key_, {image}, {});
          if (!result.ok()) {
            EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
            return;
          }
          ++registered;
        }
      });
    }
    while (registered < 20) std::this_thread::yield();
    EXPECT_TRUE(pools_.DeletePool(pool_id, false).ok());
    for (std::thread& client : clients) client.join();
  }
  EXPECT_EQ(database_->Query("SELECT count(*) FROM image"), "0");
}

}  // namespace
}  // namespace mgral::storage
