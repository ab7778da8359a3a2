#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/storage/artifact_catalog.h"
#include "server/storage/migrations.h"
#include "tests/fault/workplace.h"

// Databases and artifact folders of earlier releases, opened by today's code.
namespace mgral::test {
namespace {

using domain::CycleState;
namespace fs = std::filesystem;

// What release_0_1/make.sh left: a pool with two finished cycles, a batch labeled after them, a
// leased one, and a third cycle whose worker was killed when it began to probe.
class UpgradeTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("MGRAL_SOURCE_DIR");
    ASSERT_NE(root, nullptr) << "run by ctest, or set it to the repository's root";
    const std::string release = std::string(root) + "/tests/fault/release_0_1/";
    char folder[] = "/tmp/mgral_upgrade_XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    const std::string unpack = "tar -xJf " + release + "files.tar.xz -C " + folder;
    ASSERT_EQ(std::system(unpack.c_str()), 0);
    auto database = TestDatabase::CreateEmpty();
    std::ostringstream sql;
    sql << std::ifstream(release + "database.sql").rdbuf();
    database->Execute(sql.str());
    // The clock went on since.
    database->Execute("UPDATE batch SET expire_time = now() + interval '1 hour' WHERE state = 1");
    const auto migrated = storage::Migrate(database->conninfo());
    ASSERT_TRUE(migrated.ok()) << migrated.status();
    EXPECT_EQ(migrated->from_version, 2);
    place_ = std::make_unique<Workplace>(std::move(database), folder);
    pool_ = *place_->pools->GetPool("shop");
    EXPECT_FALSE(pool_.applies_exif_orientation) << "its boxes are those of images as stored";
  }

  std::unique_ptr<Workplace> place_;
  domain::Pool pool_;
};

TEST_F(UpgradeTest, ACycleInProgressBeginsAnewAndUsesWhatTheReleaseLeft) {
  // What only older formats name is kept when the operator prunes at once.
  for (const auto& entry : fs::recursive_directory_iterator(place_->folder + "/artifacts")) {
    if (entry.is_regular_file()) {
      fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(48));
    }
  }
  storage::ArtifactCatalog catalog(*place_->connections, place_->folder + "/artifacts");
  const auto pruned = catalog.Prune(absl::Hours(24), false);
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  EXPECT_GT(pruned->artifacts.size(), 3u);

  domain::Cycle cycle = *place_->cycles->GetCycle(pool_.key, "3");
  EXPECT_EQ(cycle.state, CycleState::kQueued);
  EXPECT_EQ(place_->database->Query("SELECT count(*) FROM job WHERE state IN (1, 2)"), "1");
  cycle = place_->FinishCycle(pool_, cycle);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 20);
  EXPECT_EQ(cycle.validation_images, 6);
  // What was labeled since is known from the examples of the snapshot before.
  ASSERT_TRUE(cycle.table.has_value());
  EXPECT_EQ(cycle.table->replay_probes, 2);
  EXPECT_TRUE(cycle.realized_gain.has_value());
  EXPECT_TRUE(place_->batches->GetBatch(pool_.key, "2")->realized_gain.has_value());
  EXPECT_NE(place_->Queue(pool_, "mgral"), "");
  // The lease outlived the upgrade.
  const auto leased = place_->batches->GetBatch(pool_.key, "3");
  ASSERT_TRUE(leased.ok());
  EXPECT_EQ(leased->state, domain::BatchState::kLeased);
  EXPECT_EQ(leased->images.size(), 3u);
  EXPECT_EQ(place_->pools->GetPool("shop")->counts.leased, 3);

  // And the cycle after it has a snapshot in today's formats, with older ones behind it.
  const domain::Cycle next = place_->RunCycle(pool_);
  ASSERT_EQ(next.state, CycleState::kSucceeded) << next.error;
  EXPECT_EQ(next.training_images, 20);
}

}  // namespace
}  // namespace mgral::test
