#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/artifact_catalog.h"
#include "server/storage/change_listener.h"
#include "server/storage/disk_artifact_store.h"
#include "server/storage/folder_mark.h"
#include "server/storage/migrations.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// A database of the release before references were recorded.
class OlderReleaseTest : public ::testing::Test {
 protected:
  OlderReleaseTest() {
    EXPECT_TRUE(DiskArtifactStore::Prepare(root_).ok());
    const std::vector<Migration>& all = Migrations();
    EXPECT_TRUE(Migrate(database_->conninfo(), {all[0], all[1]}).ok());
    database_->Execute(absl::StrCat(
        "INSERT INTO pool (pool_id, display_name, classes, profile, warm_start, training_steps, "
        "input_size, strategy, batch_size, probes, replay_probes, seed) VALUES ('cats', '', '{a}', "
        "'tiny', true, 0, 0, 'mgral', 20, 0, 0, 1);"
        "INSERT INTO image (pool_key, shuffle, width, height, use, source_kind, image_id, location)"
        " VALUES (1, 1, 1, 1, 1, 3, 'cat-1', '",
        image_,
        "');"
        "INSERT INTO cycle (pool_key, number, without_table, state, end_time) VALUES (1, 1, false, "
        "3, now()), (1, 2, false, 2, NULL);"
        "INSERT INTO model (pool_key, version, cycle_key, profile, parameters, weights_sha256, "
        "cold_start, training_images, validation_images, map50, map50_11_point, map, class_ap50, "
        "class_ap50_11_point, class_ap, class_boxes) VALUES (1, 1, 1, 'tiny', 1, '",
        weights_,
        "', false, 1, 1, 0, 0, 0, '{}', '{}', '{}', '{}');"
        "INSERT INTO snapshot (pool_key, cycle_key, model_key, strategies, note, selector_sha256, "
        "embeddings_sha256) VALUES (1, 1, 1, '{}', '', '",
        selector_, "', '", manifest_,
        "');"
        "UPDATE pool SET snapshot_key = 1;"
        "INSERT INTO job (cycle_key, kind, shard, payload, state, result) VALUES (2, 1, 0, '', 3, "
        "'{\"inputs\":{\"examples\":\"",
        examples_, "\"}}'), (2, 2, 0, '", shard_, "', 1, '');"));
    EXPECT_TRUE(Migrate(database_->conninfo()).ok());
    EXPECT_TRUE(MarkArtifactFolder(connections_, root_).ok());
  }
  ~OlderReleaseTest() override { fs::remove_all(root_); }

  static std::string MakeFolder() {
    std::string pattern = ::testing::TempDir() + "/catalog-XXXXXX";
    return mkdtemp(&pattern[0]);
  }
  // Stored long ago.
  std::string Put(const std::string& content) {
    const std::string sha256 = *artifacts_.Put(content);
    fs::last_write_time(*artifacts_.PathOf(sha256),
                        fs::file_time_type::clock::now() - std::chrono::hours(48));
    return sha256;
  }

  const std::string root_ = MakeFolder();
  DiskArtifactStore artifacts_{root_};
  const std::string image_ = Put("image"), weights_ = Put("weights"), selector_ = Put("selector"),
                    signals_ = Put("signals"), realized_ = Put("realized"),
                    examples_ = Put("examples"), shard_ = Put("shard"),
                    manifest_ = Put(absl::StrCat("{\"signals\":[\"", signals_,
                                                 "\"],\"realised\":[{\"signals\":\"", realized_,
                                                 "\"}],\"class_gain\":[0.25]}"));
  const std::unique_ptr<test::TestDatabase> database_ = test::TestDatabase::CreateEmpty();
  ConnectionPool connections_{{database_->conninfo(), 1, absl::Seconds(5)}};
  ArtifactCatalog catalog_{connections_, root_};
};

TEST_F(OlderReleaseTest, KeepsWhatItNeedsAlsoWhatOnlyTheManifestNames) {
  const std::string unneeded = Put("kept");
  const auto pruned = catalog_.Prune(absl::Hours(24), false);
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  ASSERT_EQ(pruned->artifacts.size(), 1u);
  EXPECT_EQ(pruned->artifacts[0].sha256, unneeded);
  for (const std::string& sha256 :
       {image_, weights_, selector_, signals_, realized_, examples_, shard_, manifest_}) {
    EXPECT_TRUE(artifacts_.Get(sha256).ok()) << sha256;
  }
}

// Its boxes were given for images as they are stored.
TEST_F(OlderReleaseTest, APoolKeepsItsImagesAsTheyAreStored) {
  PostgresPoolStore pools(connections_);
  const auto cats = pools.GetPool("cats");
  ASSERT_TRUE(cats.ok()) << cats.status();
  EXPECT_FALSE(cats->applies_exif_orientation);
  const auto image = pools.GetImage(cats->key, "cat-1");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_FALSE(image->source.oriented);
  EXPECT_EQ(image->note, "");
  EXPECT_EQ(database_->Query("SELECT column_default FROM information_schema.columns "
                             "WHERE column_name = 'applies_exif_orientation'"),
            "true");
}

// What only its manifest names may have been pruned.
TEST_F(OlderReleaseTest, ItsSnapshotIsNotPublishedAgain) {
  ChangeListener listener(database_->conninfo());
  PostgresCycleStore cycles(connections_, listener);
  PostgresJobQueue jobs(connections_, listener);
  const domain::JobLease train = **jobs.Claim("worker", absl::Minutes(1));
  domain::CycleStore::TrainedModel model;
  model.validation.classes.resize(1);
  ASSERT_TRUE(cycles.RecordModel(train, model).ok());
  ASSERT_TRUE(jobs.Complete(train, "", 1, {}, {{domain::JobKind::kPublish, 0, ""}}).ok());
  const domain::JobLease publish = **jobs.Claim("worker", absl::Minutes(1));
  EXPECT_TRUE(cycles.Rollback(train.pool_key, 1, {}).ok());  // it is published
  ASSERT_TRUE(cycles.Publish(publish, {}, 1).ok());
  EXPECT_EQ(base::Reason(cycles.Rollback(train.pool_key, 1, {}).status()), "SNAPSHOT_NOT_KEPT");
}

TEST_F(OlderReleaseTest, NothingIsDeletedWhileAManifestCannotBeRead) {
  fs::remove(*artifacts_.PathOf(manifest_));
  const auto pruned = catalog_.Prune(absl::Hours(24), false);
  EXPECT_EQ(base::Reason(pruned.status()), "UNKNOWN_REFERENCES");
  EXPECT_THAT(std::string(pruned.status().message()), HasSubstr("pools/cats"));
  EXPECT_THAT(std::string(pruned.status().message()), HasSubstr(manifest_));
  EXPECT_TRUE(artifacts_.Get(signals_).ok());
}

}  // namespace
}  // namespace mgral::storage
