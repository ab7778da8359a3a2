#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "server/storage/artifact_catalog.h"
#include "tests/fault/workplace.h"

// The operator prunes artifacts; cycles go on as if nothing had happened.
namespace mgral::test {
namespace {

using domain::CycleState;
namespace fs = std::filesystem;

class PruneTest : public testing::Test {
 protected:
  // As if everything had been stored long ago, so that only references protect it.
  void AgeAll() {
    for (const auto& entry : fs::recursive_directory_iterator(place_.folder + "/artifacts")) {
      if (entry.is_regular_file()) Age(entry.path());
    }
  }
  // The same for what the database needs. What is being stored at this moment stays young.
  void AgeNeeded() {
    const std::string needed =
        place_.database->Query("SELECT string_agg(DISTINCT sha256, ' ') FROM artifact_reference");
    for (const absl::string_view sha256 : absl::StrSplit(needed, ' ')) {
      const auto path = place_.artifacts->PathOf(std::string(sha256));
      ASSERT_TRUE(path.ok()) << path.status();
      Age(*path);
    }
  }
  static void Age(const fs::path& path) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(48));
  }
  size_t Prune() {
    const auto pruned = catalog_.Prune(absl::Hours(24), false);
    EXPECT_TRUE(pruned.ok()) << pruned.status();
    return pruned.ok() ? pruned->artifacts.size() : 0;
  }

  Workplace place_{20};
  storage::ArtifactCatalog catalog_{*place_.connections, place_.folder + "/artifacts"};
};

TEST_F(PruneTest, CyclesHaveWhatTheyNeedBeforeWhileAndAfterAnotherRuns) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 4, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  AgeAll();
  EXPECT_GT(Prune(), 3u);  // queues, plan, table, images to embed

  place_.LabelBatch(pool, 6);
  int prunes = 0;
  size_t pruned = 0;  // the last of these prunes may come after the cycle's end, or before it
  const domain::Cycle second = place_.RunCycle(pool, [&](const domain::Cycle&) {
    AgeNeeded();
    pruned += Prune();
    ++prunes;
  });
  EXPECT_EQ(second.state, CycleState::kSucceeded) << second.error;
  EXPECT_GT(prunes, 5);
  ASSERT_TRUE(second.table.has_value());
  EXPECT_EQ(second.table->replay_probes, 2);

  // The third reads what the second measured, too.
  place_.LabelBatch(pool, 4);
  AgeAll();
  EXPECT_GT(pruned + Prune(), 3u);
  const domain::Cycle third = place_.RunCycle(pool);
  EXPECT_EQ(third.state, CycleState::kSucceeded) << third.error;
}

TEST_F(PruneTest, CyclesHaveWhatTheyNeedAfterARollbackAndThroughOne) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 4, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  place_.LabelBatch(pool, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  ASSERT_TRUE(place_.cycles->Rollback(pool.key, 1, {}).ok());
  AgeAll();
  EXPECT_GT(Prune(), 0u);

  place_.LabelBatch(pool, 2);
  const domain::Cycle third = place_.RunCycle(pool, [&](const domain::Cycle& cycle) {
    // It continues from the first, since which six images were labeled; the second is published
    // meanwhile.
    if (cycle.stage == domain::CycleStage::kEmbed) {
      EXPECT_TRUE(place_.cycles->Rollback(pool.key, 2, {}).ok());
    }
    AgeNeeded();
    Prune();
  });
  EXPECT_EQ(third.state, CycleState::kSucceeded) << third.error;
  ASSERT_TRUE(third.table.has_value());
  EXPECT_EQ(third.table->replay_probes, 2);
  EXPECT_EQ(place_.cycles->PublishedSnapshot(pool.key)->value().model.version, 3);
  AgeAll();
  Prune();
  ASSERT_TRUE(place_.cycles->Rollback(pool.key, 2, {}).ok());
  place_.LabelBatch(pool, 2);
  const domain::Cycle fourth = place_.RunCycle(pool);
  EXPECT_EQ(fourth.state, CycleState::kSucceeded) << fourth.error;
  EXPECT_EQ(fourth.model_version, 4);
}

TEST_F(PruneTest, NothingOfADeletedPoolIsLeft) {
  const domain::Pool kept = place_.MakePool("kept", "entropy", 1, 4, 4);
  ASSERT_EQ(place_.RunCycle(kept).state, CycleState::kSucceeded);
  AgeAll();
  Prune();
  const auto before = catalog_.List();
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_EQ(place_.RunCycle(place_.MakePool("deleted", "entropy", 2, 6, 4)).state,
            CycleState::kSucceeded);
  ASSERT_TRUE(place_.pools->DeletePool("deleted", false).ok());
  AgeAll();
  EXPECT_GT(Prune(), 3u);
  const auto after = catalog_.List();
  ASSERT_TRUE(after.ok()) << after.status();
  ASSERT_EQ(after->size(), before->size());
  for (size_t i = 0; i < after->size(); ++i) EXPECT_EQ((*after)[i].sha256, (*before)[i].sha256);
}

}  // namespace
}  // namespace mgral::test
