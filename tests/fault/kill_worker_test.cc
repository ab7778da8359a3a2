#include <gtest/gtest.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "tests/fault/workplace.h"
#include "tests/support/server_process.h"

// Workers as processes of their own, killed in every stage: another one takes over and the cycle
// ends with the result that it would have had.
namespace mgral::test {
namespace {

using domain::CycleState;

class KillWorkerTest : public testing::Test {
 protected:
  // States that no worker knows keep cycles from workers (see StartWorker).
  KillWorkerTest() {
    place_.database->Execute("ALTER TABLE cycle DROP CONSTRAINT cycle_state_check");
  }

  // A worker that kills itself at `fault` ("" for never). The running cycle is kept from it until
  // it has come up.
  std::unique_ptr<ServerProcess> StartWorker(const std::string& fault) {
    place_.database->Execute("UPDATE cycle SET state = state + 10 WHERE state IN (1, 2)");
    ServerProcess::Options options;
    options.flags = {"--roles=worker",
                     "--database=" + place_.database->conninfo(),
                     "--image_root=" + place_.folder + "/images",
                     "--artifact_dir=" + place_.folder + "/artifacts",
                     "--threads=1",
                     "--job_lease=1s",
                     "--poll_interval=100ms",
                     "--migrate=false"};
    if (!fault.empty()) options.environment["MGRAL_FAULT_KILL_AT"] = fault;
    auto worker = std::make_unique<ServerProcess>(options);
    place_.database->Execute("UPDATE cycle SET state = state - 10 WHERE state > 10");
    return worker;
  }

  domain::Cycle Start(const domain::Pool& pool) {
    return *place_.cycles->StartCycle(pool.key, false, {});
  }

  domain::Cycle WaitForEnd(const domain::Pool& pool, domain::Cycle cycle) {
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (!cycle.end_time && absl::Now() < deadline) {
      cycle =
          *place_.cycles->WaitForChange(pool.key, cycle.cycle_id, cycle.revision, absl::Seconds(5));
    }
    return cycle;
  }

  // Everything of a snapshot that must not depend on who made it.
  std::string Published(const domain::Pool& pool) {
    std::string text;
    for (const char* strategy : {"mgral", "lookup_greedy", "entropy", "core_set", "random"}) {
      absl::StrAppend(&text, strategy, ": ", place_.Queue(pool, strategy), "\n");
    }
    return text + "table: " +
           place_.database->Query(absl::StrCat(
               "SELECT encode(sha256(t.data), 'hex') FROM lookup_table t JOIN snapshot s ON "
               "s.table_key = t.key JOIN pool p ON p.snapshot_key = s.key WHERE p.key = ",
               pool.key));
  }

  Workplace place_{16};
};

TEST_F(KillWorkerTest, InEveryStageAnotherWorkerTakesOverAndTheResultIsTheSame) {
  const domain::Pool undisturbed = place_.MakePool("undisturbed", "mgral", 3, 5, 4);
  {
    const auto worker = StartWorker("");
    const domain::Cycle cycle = WaitForEnd(undisturbed, Start(undisturbed));
    ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error << worker->log();
  }
  const std::string expected = Published(undisturbed);
  for (const std::string stage :
       {"train", "embed", "plan", "probe", "table", "selector", "publish"}) {
    SCOPED_TRACE(stage);
    const domain::Pool pool = place_.MakePool(stage, "mgral", 3, 5, 4);
    const domain::Cycle cycle = Start(pool);
    for (const char* point : {":working", ":before_complete"}) {
      const auto worker = StartWorker(stage + point);
      ASSERT_EQ(worker->Wait(), 128 + SIGKILL) << point << worker->log();
    }
    const auto worker = StartWorker("");
    const domain::Cycle ended = WaitForEnd(pool, cycle);
    ASSERT_EQ(ended.state, CycleState::kSucceeded) << ended.error << worker->log();
    EXPECT_EQ(Published(pool), expected);
    EXPECT_EQ(place_.database->Query(
                  absl::StrCat("SELECT count(*) FROM model WHERE pool_key = ", pool.key)),
              "1");
  }
}

TEST_F(KillWorkerTest, AStoppedWorkerHandsItsJobBackAndExitsCleanly) {
  domain::Pool settings = TinyPool("pool", "entropy", 1);
  settings.detector.training_steps = 100000;
  const domain::Pool pool = place_.MakePool(settings, 5, 4);
  const domain::Cycle cycle = Start(pool);
  const auto worker = StartWorker("");
  // A heartbeat with progress says that it is in the middle of training.
  for (int i = 0; i < 600; ++i) {
    if (place_.database->Query("SELECT fraction > 0 FROM job WHERE kind = 1") == "t") break;
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(worker->Terminate(), 0) << worker->log();
  EXPECT_EQ(place_.database->Query("SELECT state || ' ' || attempt FROM job WHERE kind = 1"),
            "1 0");
  EXPECT_TRUE(place_.cycles->CancelCycle(pool.key, cycle.cycle_id).ok());
}

}  // namespace
}  // namespace mgral::test
