#include "server/storage/migrations.h"

#include <gtest/gtest.h>

#include <optional>  // before pqxx, which looks for it
#include <pqxx/pqxx>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/errors.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

using test::PostgresCluster;
using test::TestDatabase;

TEST(MigrationsTest, RefusesASchemaNewerThanItself) {
  const auto database = TestDatabase::Create();
  database->Execute("INSERT INTO schema_version (version, name) VALUES (999, '999_future')");
  const auto refused = Migrate(database->conninfo());
  EXPECT_EQ(base::Reason(refused.status()), "SCHEMA_NEWER");
  EXPECT_NE(refused.status().message().find("999"), absl::string_view::npos);
  EXPECT_EQ(base::Reason(CheckSchema(database->conninfo())), "SCHEMA_NEWER");
}

TEST(MigrationsTest, AFailingMigrationLeavesNothingBehind) {
  const auto database = TestDatabase::CreateEmpty();
  const std::vector<Migration> migrations = {
      {1, "001_good", "CREATE TABLE good (x integer)"},
      {2, "002_bad", "CREATE TABLE half (x integer); SELECT 1 / 0"}};
  const auto failed = Migrate(database->conninfo(), migrations);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kInternal);
  EXPECT_NE(failed.status().message().find("002_bad"), absl::string_view::npos);
  EXPECT_EQ(database->Query("SELECT max(version) FROM schema_version"), "1");
  EXPECT_EQ(database->Query("SELECT to_regclass('half') IS NULL"), "t");
  // Mended, it goes on where it stopped.
  const auto mended = Migrate(database->conninfo(),
                              {migrations[0], {2, "002_bad", "CREATE TABLE half (x integer)"}});
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_EQ(mended->from_version, 1);
  EXPECT_EQ(mended->to_version, 2);
}

TEST(MigrationsTest, SaysWhenTheDatabaseCannotBeReached) {
  const auto nobody = Migrate("host=/nonexistent dbname=x");
  EXPECT_TRUE(absl::IsUnavailable(nobody.status())) << nobody.status();
  EXPECT_FALSE(Migrate("no conninfo at all").ok());
  EXPECT_FALSE(Migrate(PostgresCluster::Shared().Conninfo("no_such_database")).ok());
}

TEST(MigrationsTest, AnEmptyDatabaseIsOlder) {
  const auto database = TestDatabase::CreateEmpty();
  EXPECT_EQ(base::Reason(CheckSchema(database->conninfo())), "SCHEMA_OLDER");
}

TEST(MigrationsTest, RunsOnceHoweverOftenItIsCalled) {
  const auto database = TestDatabase::CreateEmpty();
  const auto first = Migrate(database->conninfo());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->from_version, 0);
  EXPECT_EQ(first->to_version, Migrations().back().version);
  const auto second = Migrate(database->conninfo());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->from_version, first->to_version);
  EXPECT_TRUE(CheckSchema(database->conninfo()).ok());
}

TEST(MigrationsTest, ServersMayStartAtOnce) {
  const auto database = TestDatabase::CreateEmpty();
  std::vector<std::thread> servers;
  for (int i = 0; i < 6; ++i) {
    servers.emplace_back([&] {
      const auto migrated = Migrate(database->conninfo());
      EXPECT_TRUE(migrated.ok()) << migrated.status();
    });
  }
  for (std::thread& server : servers) server.join();
  EXPECT_EQ(database->Query("SELECT count(*) FROM schema_version"),
            std::to_string(Migrations().size()));
}

// To rewrite a large table locks out everybody meanwhile: an upgrade must not.
TEST(MigrationsTest, UpgradesRewriteNoTableThatGrows) {
  const auto database = TestDatabase::CreateEmpty();
  ASSERT_TRUE(Migrate(database->conninfo(), {Migrations()[0]}).ok());
  const std::string files =
      "SELECT string_agg(relname || ' ' || relfilenode, ', ' ORDER BY relname) FROM pg_class "
      "WHERE oid IN ('batch'::regclass, 'batch_image'::regclass, 'cycle'::regclass, "
      "'image'::regclass, 'job'::regclass, 'queue_entry'::regclass, 'snapshot_image'::regclass)";
  const std::string before = database->Query(files);
  const auto migrated = Migrate(database->conninfo());
  ASSERT_TRUE(migrated.ok()) << migrated.status();
  EXPECT_EQ(migrated->from_version, 1);
  EXPECT_EQ(database->Query(files), before);
}

TEST(MigrationsTest, PoolsFromBeforeLabelingCostsKeepTheDefaults) {
  const auto database = TestDatabase::CreateEmpty();
  std::vector<Migration> before = Migrations();
  before.resize(11);
  ASSERT_TRUE(Migrate(database->conninfo(), before).ok());
  database->Execute(R"sql(
    INSERT INTO pool (
      pool_id, display_name, classes, profile, warm_start, training_steps, input_size, strategy,
      batch_size, probes, replay_probes, seed
    )
    VALUES ('cats', '', '{cat}', 'tiny', false, 0, 0, 'mgral', 20, 0, 0, 0);
    INSERT INTO batch (
      key, pool_key, strategy, strategy_note, table_version, annotator, create_time, expire_time
    )
    SELECT 1, key, 'mgral', '', 0, '', now(), now() FROM pool;
    INSERT INTO batch_image (batch_key, rank, image_key, cell, expected_gain, predictions)
    VALUES (1, 0, 1, -1, '{}', '');
  )sql");
  ASSERT_TRUE(Migrate(database->conninfo()).ok());
  EXPECT_EQ(database->Query("SELECT seconds_per_image || ' ' || seconds_per_box || ' ' || "
                            "uniform_share FROM pool"),
            "0 0 0.15");
  EXPECT_EQ(database->Query("SELECT estimated_cost IS NULL FROM batch"), "t");
  EXPECT_EQ(database->Query("SELECT uniform FROM batch_image"), "f");
}

// Rows of one transaction get the time at which they were inserted, not that of its begin.
TEST(MigrationsTest, NewJobsAndCyclesTakeTheClock) {
  const auto database = TestDatabase::Create();
  EXPECT_EQ(database->Query("SELECT string_agg(column_default, ', ') FROM "
                            "information_schema.columns WHERE column_name IN ('free_since', "
                            "'progress_time')"),
            "clock_timestamp(), clock_timestamp()");
}

TEST(MigrationsTest, TheDatabaseRefusesImpossibleRows) {
  const auto database = TestDatabase::Create();
  database->Execute(R"sql(
    INSERT INTO pool (
      pool_id, display_name, classes, profile, warm_start, training_steps, input_size, strategy,
      batch_size, probes, replay_probes, seed
    )
    VALUES ('cats', '', '{cat}', 'tiny', false, 0, 0, 'mgral', 20, 0, 0, 0);
    INSERT INTO image (pool_key, shuffle, width, height, use, source_kind, image_id, location)
    SELECT key, 0, 1, 1, 1, 1, 'a', 'a.jpg' FROM pool;
    INSERT INTO cycle (pool_key, number, without_table)
    SELECT key, 1, false FROM pool;
    INSERT INTO job (cycle_key, kind, shard, payload)
    SELECT key, 1, 0, '' FROM cycle;
  )sql");
  const std::pair<const char*, const char*> impossible[] = {
      {"a leased image without a batch", "UPDATE image SET state = 2"},
      {"a labeled image without labels", "UPDATE image SET state = 3"},
      {"a reason to reject an image that is not", "UPDATE image SET reject_reason = 'blurred'"},
      {"a running cycle that never started", "UPDATE cycle SET state = 2"},
      {"a cycle that ended at no time", "UPDATE cycle SET state = 3"},
      {"a cycle that ended and waits", "UPDATE cycle SET end_time = now()"},
      {"an error of a cycle that did not fail", "UPDATE cycle SET error = 'out of memory'"},
      {"a claimed job without a lease", "UPDATE job SET state = 2"},
      {"an open job with a lease", "UPDATE job SET lease_until = now()"},
      {"a finished job that has work left", "UPDATE job SET state = 3, fraction = 0.5"},
      {"a cost that is no number", "UPDATE pool SET seconds_per_image = 'NaN'"},
      {"a cost below zero", "UPDATE pool SET seconds_per_box = -1"},
      {"a share of everything", "UPDATE pool SET uniform_share = 1"},
      {"time for a number of probes", "UPDATE pool SET probe_seconds = 1, replay_probes = 1"},
      {"time that is no number", "UPDATE pool SET probe_seconds = 'NaN'"},
  };
  pqxx::connection connection(database->conninfo());
  for (const auto& [what, statement] : impossible) {
    pqxx::work tx(connection);
    EXPECT_THROW(tx.exec(statement), pqxx::check_violation) << what;
  }
}

TEST(MigrationsTest, VersionsAreConsecutive) {
  for (size_t i = 0; i < Migrations().size(); ++i) {
    EXPECT_EQ(Migrations()[i].version, static_cast<int>(i) + 1);
  }
}

}  // namespace
}  // namespace mgral::storage
