#include <gtest/gtest.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "tests/fault/worker_processes.h"

// Workers as processes of their own, killed in every stage: another one takes over and the cycle
// ends with the result that it would have had.
namespace mgral::test {
namespace {

using domain::CycleState;

class KillWorkerTest : public testing::Test {
 protected:
  Workplace place_{20};
  WorkerProcesses workers_{&place_};
};

TEST_F(KillWorkerTest, InEveryStageAnotherWorkerTakesOverAndTheResultIsTheSame) {
  const domain::Pool undisturbed = place_.MakePool("undisturbed", "mgral", 3, 9, 4);
  {
    const auto worker = workers_.Start("");
    const domain::Cycle cycle = workers_.WaitForEnd(undisturbed, workers_.StartCycle(undisturbed));
    ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error << worker->log();
  }
  const std::string expected = workers_.Published(undisturbed);
  for (const std::string stage :
       {"train", "embed", "plan", "probe", "table", "selector", "publish"}) {
    SCOPED_TRACE(stage);
    const domain::Pool pool = place_.MakePool(stage, "mgral", 3, 9, 4);
    const domain::Cycle cycle = workers_.StartCycle(pool);
    for (const char* point : {":working", ":before_complete"}) {
      const auto worker = workers_.Start(stage + point);
      ASSERT_EQ(worker->Wait(), 128 + SIGKILL) << point << worker->log();
    }
    const auto worker = workers_.Start("");
    const domain::Cycle ended = workers_.WaitForEnd(pool, cycle);
    ASSERT_EQ(ended.state, CycleState::kSucceeded) << ended.error << worker->log();
    EXPECT_EQ(workers_.Published(pool), expected);
    EXPECT_EQ(place_.database->Query(
                  absl::StrCat("SELECT count(*) FROM model WHERE pool_key = ", pool.key)),
              "1");
  }
}

TEST_F(KillWorkerTest, AStoppedWorkerHandsItsJobBackAndExitsCleanly) {
  domain::Pool settings = TinyPool("pool", "entropy", 1);
  settings.detector.training_steps = 100000;
  const domain::Pool pool = place_.MakePool(settings, 5, 4);
  const domain::Cycle cycle = workers_.StartCycle(pool);
  const auto worker = workers_.Start("");
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
