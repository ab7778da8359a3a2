#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/cycle/work_folder.h"
#include "server/storage/migrations.h"
#include "tests/fault/workplace.h"

// A database that was restored as docs/runbook.md says, beside a folder that went on since.
namespace mgral::test {
namespace {

using domain::CycleState;
namespace fs = std::filesystem;

std::string SourceFolder() { return std::getenv("MGRAL_SOURCE_DIR"); }  // ctest sets it

void Shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

// The commands of the runbook that restore `dump`, as written but for where the database is.
void RestoreAsDocumented(const TestDatabase& database, const std::string& dump) {
  constexpr char kInContainer[] = "$ docker compose exec -T postgres ";
  std::ifstream runbook(SourceFolder() + "/docs/runbook.md");
  std::string line;
  while (std::getline(runbook, line) && !absl::StartsWith(line, "**Restore")) {
  }
  int commands = 0;
  while (std::getline(runbook, line) && !absl::StartsWith(line, "## ")) {
    absl::string_view command = line;
    if (!absl::ConsumePrefix(&command, kInContainer)) continue;
    Shell(absl::StrReplaceAll(
        command, {{"-U mgral -d mgral", absl::StrCat("-d '", database.conninfo(), "'")},
                  {"mgral.dump", dump}}));
    ++commands;
  }
  ASSERT_EQ(commands, 2) << "the runbook's section has changed";
}

class RestoreTest : public testing::Test {
 protected:
  void Backup() {
    Shell(absl::StrCat("pg_dump -Fc -d '", place_.database->conninfo(), "' >", Dump()));
  }
  void Restore() { RestoreAsDocumented(*place_.database, Dump()); }
  std::string Dump() const { return place_.folder + "/mgral.dump"; }
  std::vector<std::string> WorkFolders() { return *place_.artifacts->WorkFolders({}); }
  void AgeWorkFolders() {
    for (const std::string& name : WorkFolders()) {
      fs::last_write_time(*place_.artifacts->WorkFolder(name),
                          fs::file_time_type::clock::now() - std::chrono::hours(25));
    }
  }
  // Runs a cycle that never ends by itself and cancels it when it has left a checkpoint.
  void TrainAndCancel(const domain::Pool& pool) {
    place_.database->Execute("UPDATE pool SET training_steps = 1000000");
    const domain::Cycle cycle = place_.RunCycle(pool, [&](const domain::Cycle& running) {
      if (running.stages.empty() || running.stages[0].fraction == 0) return;
      ASSERT_TRUE(place_.cycles->CancelCycle(pool.key, running.cycle_id).ok());
    });
    ASSERT_EQ(cycle.state, CycleState::kCanceled);
    place_.database->Execute("UPDATE pool SET training_steps = 12");
  }

  Workplace place_{20};
};

TEST_F(RestoreTest, ACycleDoesNotTakeOverWhatACycleWithTheSameKeyLeft) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 4, 4);
  Backup();
  TrainAndCancel(pool);
  const std::string canceled = place_.database->Query("SELECT max(key) FROM cycle");
  ASSERT_EQ(WorkFolders().size(), 1u);
  Restore();
  place_.database->Execute("UPDATE pool SET training_steps = 12");
  for (int i = 8; i < 14; ++i) place_.Label(pool, place_.drawn[i].name);
  const domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(std::to_string(cycle.key), canceled);  // or this test tests nothing
  EXPECT_EQ(cycle.training_images, 10);
  for (const auto& [name, value] : cycle.stages[0].metrics) {
    if (name == "resumed_at") {
      EXPECT_EQ(value, 0);
    }
  }
}

TEST_F(RestoreTest, ACycleThatWasQueuedAtTheBackupTakesWhatTheRestoredDatabaseHas) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 4, 4);
  const domain::Cycle queued = *place_.cycles->StartCycle(pool.key, false, {});
  Backup();
  for (int i = 8; i < 14; ++i) place_.Label(pool, place_.drawn[i].name);
  const domain::Cycle lost = place_.FinishCycle(pool, queued);
  ASSERT_EQ(lost.training_images, 10) << lost.error;
  Restore();
  const domain::Cycle cycle = place_.FinishCycle(pool, queued);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 4);
}

TEST_F(RestoreTest, FoldersOfCyclesThatHaveEndedAreSwept) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 4, 4);
  TrainAndCancel(pool);
  ASSERT_TRUE(place_.artifacts->WorkFolder("cycle-7").ok());  // an older release's
  ASSERT_EQ(WorkFolders().size(), 2u);
  std::vector<std::string> while_training;
  const domain::Cycle cycle = place_.RunCycle(pool, [&](const domain::Cycle& running) {
    if (running.stages.empty() || running.stages[0].fraction == 0) return;
    if (running.stages.size() > 1 || !while_training.empty()) return;
    AgeWorkFolders();
    EXPECT_TRUE(cycle::SweepWorkFolders(place_.cycles.get(), place_.artifacts.get()).ok());
    while_training = WorkFolders();
  });
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_LE(while_training.size(), 1u);  // the cycle's own, if it still trained
  place_.database->Execute("DELETE FROM pool");
  ASSERT_TRUE(place_.artifacts->WorkFolder("cycle-of-a-deleted-pool").ok());
  AgeWorkFolders();
  ASSERT_TRUE(cycle::SweepWorkFolders(place_.cycles.get(), place_.artifacts.get()).ok());
  EXPECT_TRUE(WorkFolders().empty());
}

// The way back from an upgrade, and forward again.
TEST(RestoreOlderReleaseTest, ADumpFromBeforeAnUpgradeReplacesTheUpgradedDatabase) {
  const std::string release = SourceFolder() + "/tests/fault/release_0_1/";
  char folder[] = "/tmp/mgral_restore_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string dump = absl::StrCat(folder, "/mgral.dump");
  Shell(absl::StrCat("tar -xJf ", release, "files.tar.xz -C ", folder));
  auto database = TestDatabase::CreateEmpty();
  std::ostringstream sql;
  sql << std::ifstream(release + "database.sql").rdbuf();
  database->Execute(sql.str());
  Shell(absl::StrCat("pg_dump -Fc -d '", database->conninfo(), "' >", dump));
  ASSERT_TRUE(storage::Migrate(database->conninfo()).ok());
  database->Execute("UPDATE pool SET display_name = 'after the upgrade'");

  RestoreAsDocumented(*database, dump);
  ASSERT_FALSE(HasFatalFailure());
  const auto migrated = storage::Migrate(database->conninfo());
  ASSERT_TRUE(migrated.ok()) << migrated.status();
  EXPECT_EQ(migrated->from_version, 2);
  Workplace place(std::move(database), folder);
  const domain::Pool pool = *place.pools->GetPool("shop");
  EXPECT_EQ(pool.display_name, "");
  const domain::Cycle cycle = place.FinishCycle(pool, *place.cycles->GetCycle(pool.key, "3"));
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 20);
}

}  // namespace
}  // namespace mgral::test
