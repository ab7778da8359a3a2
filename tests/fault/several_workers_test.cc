#include <gtest/gtest.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "tests/fault/worker_processes.h"

// Workers share a cycle: whoever did which job, the snapshot is the same to the last byte.
namespace mgral::test {
namespace {

using domain::CycleState;
using domain::JobKind;

class SeveralWorkersTest : public testing::Test {
 protected:
  // More unlabeled images than fit into one shard of the embedding.
  static constexpr int kImages = 600, kLabeled = 12, kValidation = 4;

  domain::Pool MakePool(const std::string& pool_id) {
    domain::Pool settings = TinyPool(pool_id, "mgral", 3);
    settings.selection.replay_probes = 32;
    return place_.MakePool(settings, kLabeled, kValidation);
  }

  // How many workers completed jobs of a kind.
  std::string WorkersOf(const domain::Pool& pool, JobKind kind) {
    return place_.database->Query(absl::StrCat(
        "SELECT count(DISTINCT j.worker) FROM job j JOIN cycle c ON c.key = j.cycle_key WHERE ",
        "j.kind = ", static_cast<int>(kind), " AND c.pool_key = ", pool.key));
  }

  // What one worker publishes.
  std::string ByOneWorker() {
    const domain::Pool pool = MakePool("alone");
    const auto worker = workers_.Start("");
    const domain::Cycle cycle = workers_.WaitForEnd(pool, workers_.StartCycle(pool));
    EXPECT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error << worker->log();
    EXPECT_EQ(cycle.table->replay_probes, 32);
    EXPECT_EQ(worker->Terminate(), 0);
    return workers_.Published(pool);
  }

  Workplace place_{kImages};
  WorkerProcesses workers_{&place_};
};

TEST_F(SeveralWorkersTest, TwoWorkersPublishWhatOneWorkerDoesToTheLastByte) {
  const std::string expected = ByOneWorker();
  const domain::Pool pool = MakePool("shared");
  // Not on machines of one kind, either: they compute with different numbers of threads.
  const auto first = workers_.Start("", 1), second = workers_.Start("", 2);
  const domain::Cycle cycle = workers_.WaitForEnd(pool, workers_.StartCycle(pool));
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error << first->log() << second->log();
  EXPECT_EQ(workers_.Published(pool), expected);
  EXPECT_EQ(WorkersOf(pool, JobKind::kEmbed), "2");
  EXPECT_EQ(WorkersOf(pool, JobKind::kProbe), "2");
}

TEST_F(SeveralWorkersTest, OneOfTwoKilledWhileItProbesChangesNothing) {
  const std::string expected = ByOneWorker();
  const domain::Pool pool = MakePool("shared");
  const auto survivor = workers_.Start("");
  const auto victim = workers_.Start("probe:before_complete", 2);
  const domain::Cycle cycle = workers_.WaitForEnd(pool, workers_.StartCycle(pool));
  EXPECT_EQ(victim->Wait(), 128 + SIGKILL) << victim->log();
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error << survivor->log();
  EXPECT_EQ(workers_.Published(pool), expected);
}

}  // namespace
}  // namespace mgral::test
