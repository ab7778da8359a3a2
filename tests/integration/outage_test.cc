#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"
#include "server/storage/conninfo.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

domain::Pool NewPool(const std::string& pool_id) {
  domain::Pool pool;
  pool.pool_id = pool_id;
  pool.classes = {"a"};
  return pool;
}

domain::NewImage NewImage(int number) {
  domain::NewImage image;
  image.image_id = absl::StrCat("img-", number);
  image.source.location = absl::StrCat(number, ".jpg");
  return image;
}

void KillBackends(const test::TestDatabase& database) {
  database.Execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid()");
}

TEST(OutageTest, AConnectionLostBetweenCallsIsNotNoticed) {
  const auto database = test::TestDatabase::Create();
  ConnectionPool connections({database->conninfo(), 4, absl::Seconds(5)});
  PostgresPoolStore pools(connections);
  ASSERT_TRUE(pools.CreatePool(NewPool("a"), {}).ok());
  KillBackends(*database);
  EXPECT_TRUE(pools.GetPool("a").ok());
  KillBackends(*database);
  EXPECT_TRUE(pools.CreatePool(NewPool("b"), {}).ok());
}

TEST(OutageTest, SaysThatTheDatabaseIsAwayAndRecovers) {
  test::PostgresCluster cluster;
  auto database = test::TestDatabase::Create(cluster);
  ConnectionPool connections({database->conninfo(), 4, absl::Seconds(5)});
  PostgresPoolStore pools(connections);
  const auto pool = pools.CreatePool(NewPool("a"), {});
  ASSERT_TRUE(pool.ok());
  int64_t acknowledged = 0;
  for (int i = 0; i < 20; ++i) {
    acknowledged += pools.RegisterImages(pool->key, {NewImage(i)}, {}).ok();
  }
  cluster.Kill9();
  for (int i = 0; i < 3; ++i) {
    const auto away = pools.GetPool("a");
    EXPECT_TRUE(absl::IsUnavailable(away.status())) << away.status();
    EXPECT_GT(base::RetryAfter(away.status()), absl::ZeroDuration());
  }
  EXPECT_TRUE(absl::IsUnavailable(connections.Ping()));
  EXPECT_EQ(connections.in_use(), 0);
  cluster.Start();
  EXPECT_TRUE(connections.Ping().ok());
  EXPECT_EQ(pools.GetPool("a")->counts.training, acknowledged);
}

// Calls that run while the server dies either say so or have done their work, whole.
TEST(OutageTest, WhatWasAcknowledgedIsThereAfterACrash) {
  test::PostgresCluster cluster;
  auto database = test::TestDatabase::Create(cluster);
  ConnectionPool connections({database->conninfo(), 8, absl::Seconds(5)});
  PostgresPoolStore pools(connections);
  const auto pool = pools.CreatePool(NewPool("a"), {});
  ASSERT_TRUE(pool.ok());
  std::atomic<int> next{0}, acknowledged{0}, unknown{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&] {
      while (unknown == 0) {
        const int first = next.fetch_add(10);
        std::vector<domain::NewImage> images;
        for (int i = 0; i < 10; ++i) images.push_back(NewImage(first + i));
        const auto registered = pools.RegisterImages(pool->key, images, {});
        if (registered.ok()) {
          acknowledged += 10;
        } else {
          EXPECT_TRUE(absl::IsUnavailable(registered.status())) << registered.status();
          unknown += 10;
        }
      }
    });
  }
  while (acknowledged < 200) std::this_thread::yield();
  cluster.Kill9();
  for (std::thread& writer : writers) writer.join();
  cluster.Start();
  const auto after = pools.GetPool("a");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->counts.training, acknowledged);
  EXPECT_LE(after->counts.training, acknowledged + unknown);
  EXPECT_EQ(after->counts.training % 10, 0);
  EXPECT_EQ(database->Query("SELECT count(*) FROM image"), absl::StrCat(after->counts.training));
}

TEST(OutageTest, WaitersHearOfJobsAgainAfterALostConnection) {
  const auto database = test::TestDatabase::Create();
  ConnectionPool connections({database->conninfo(), 4, absl::Seconds(5)});
  ChangeListener listener(database->conninfo());
  PostgresPoolStore pools(connections);
  PostgresCycleStore cycles(connections, listener);
  PostgresJobQueue jobs(connections, listener);
  const auto pool = pools.CreatePool(NewPool("a"), {});
  const uint64_t before = listener.Generation(ChangeListener::Topic::kJob);
  KillBackends(*database);
  EXPECT_TRUE(listener.Wait(ChangeListener::Topic::kJob, before, absl::Seconds(30)));
  std::thread starter([&] { EXPECT_TRUE(cycles.StartCycle(pool->key, false, {}).ok()); });
  EXPECT_TRUE(jobs.WaitForJob(absl::Seconds(30)));
  starter.join();
}

TEST(OutageTest, BusyConnectionsAreWaitedForAWhile) {
  const auto database = test::TestDatabase::Create();
  ConnectionPool connections({database->conninfo(), 1, absl::Milliseconds(20)});
  PostgresPoolStore pools(connections);
  auto held = connections.Acquire();
  ASSERT_TRUE(held.ok());
  const auto refused = pools.GetPool("a");
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_GT(base::RetryAfter(refused.status()), absl::ZeroDuration());
  { const ConnectionPool::Handle given_back = *std::move(held); }
  EXPECT_TRUE(absl::IsNotFound(pools.GetPool("a").status()));
}

TEST(OutageTest, MalformedConninfoIsAnErrorAndNoCrash) {
  ConnectionPool connections({"this is no conninfo", 1, absl::Seconds(1)});
  EXPECT_FALSE(connections.Ping().ok());
  const std::string complete = CompleteConninfo("postgresql://u:p%27w@h:1/db?connect_timeout=9");
  EXPECT_NE(complete.find("connect_timeout='9'"), std::string::npos);
  EXPECT_NE(complete.find("password='p\\'w'"), std::string::npos);
  EXPECT_NE(complete.find("keepalives_idle='30'"), std::string::npos);
}

}  // namespace
}  // namespace mgral::storage
