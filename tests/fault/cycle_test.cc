#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "absl/strings/str_split.h"
#include "tests/fault/workplace.h"

// Whole cycles with the real parts, in this process.
namespace mgral::test {
namespace {

using domain::CycleState;

class CycleTest : public testing::Test {
 protected:
  static size_t Count(const std::string& queue) {
    return queue.empty() ? 0 : std::vector<std::string>(absl::StrSplit(queue, ' ')).size();
  }

  Workplace place_{20};
};

TEST_F(CycleTest, TheSameSeedGivesTheSameQueueInAnyPool) {
  const domain::Pool first = place_.MakePool("first", "mgral", 5, 6, 4);
  const domain::Pool second = place_.MakePool("second", "mgral", 5, 6, 4);
  const domain::Pool other = place_.MakePool("other", "mgral", 6, 6, 4);
  for (const domain::Pool& pool : {first, second, other}) {
    const domain::Cycle cycle = place_.RunCycle(pool);
    ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
    EXPECT_EQ(cycle.training_images, 6);
    EXPECT_EQ(cycle.validation_images, 4);
    ASSERT_TRUE(cycle.table.has_value());
    EXPECT_EQ(cycle.table->replay_probes, 0) << "too few images are labeled";
    for (const domain::StageProgress& stage : cycle.stages) {
      std::cout << "stage " << static_cast<int>(stage.stage) << " " << stage.seconds << " s\n";
    }
  }
  for (const char* strategy :
       {"mgral", "lookup_greedy", "entropy", "margin", "core_set", "class_balanced", "random"}) {
    const std::string queue = place_.Queue(first, strategy);
    EXPECT_EQ(Count(queue), 10u) << strategy;
    EXPECT_EQ(queue, place_.Queue(second, strategy)) << strategy;
  }
  EXPECT_NE(place_.Queue(first, "random"), place_.Queue(other, "random"));
}

TEST_F(CycleTest, LaterCyclesReplayWhatWasLabeledAndReportTheRealizedGain) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 4, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  const domain::Batch batch = place_.LabelBatch(pool, 6);
  EXPECT_EQ(batch.strategy, "mgral");
  ASSERT_TRUE(batch.estimated_gain.has_value());
  const domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 10);
  ASSERT_TRUE(cycle.table.has_value());
  EXPECT_EQ(cycle.table->replay_probes, 2);
  EXPECT_TRUE(cycle.realized_gain.has_value());
  EXPECT_NEAR(cycle.predicted_gain, batch.estimated_gain->mean, 1e-9);
  const auto after = place_.batches->GetBatch(pool.key, batch.batch_id);
  ASSERT_TRUE(after.ok());
  ASSERT_TRUE(after->realized_gain.has_value());
  EXPECT_NEAR(after->realized_gain->mean, *cycle.realized_gain, 1e-9);
  // And once more, with the first period's gain as an observation.
  place_.LabelBatch(pool, 4);
  const domain::Cycle third = place_.RunCycle(pool);
  EXPECT_EQ(third.state, CycleState::kSucceeded) << third.error;
}

TEST_F(CycleTest, WithoutLabelsItIsAColdStart) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 0, 0);
  const domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(Count(place_.Queue(pool, "cold_start")), 20u);
  EXPECT_EQ(place_.Queue(pool, "mgral"), "");
  const domain::Batch batch = place_.LabelBatch(pool, 5);
  EXPECT_EQ(batch.strategy, "cold_start");
  EXPECT_NE(batch.strategy_note, "");
  // The next cycle has labels, but no validation images: its table is the prior.
  const domain::Cycle next = place_.RunCycle(pool);
  ASSERT_EQ(next.state, CycleState::kSucceeded) << next.error;
  ASSERT_TRUE(next.table.has_value());
  EXPECT_EQ(next.table->replay_probes, 0);
  EXPECT_EQ(Count(place_.Queue(pool, "mgral")), 15u);
}

TEST_F(CycleTest, AnImageThatBecameUndecodableIsRejectedAndTheRestGoesOn) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 6, 4);
  const std::string folder = place_.folder + "/images/";
  std::ofstream(folder + "image_12.jpg") << "no image any more";
  std::filesystem::remove(folder + "image_13.jpg");
  std::filesystem::resize_file(folder + "image_14.jpg", 700);
  std::filesystem::resize_file(folder + "image_02.jpg", 700);  // labeled
  std::filesystem::resize_file(folder + "image_07.jpg", 700);  // validation
  place_.database->Execute("UPDATE image SET width = 5 WHERE image_id = 'image_03.jpg'");
  place_.database->Execute("UPDATE image SET height = 5 WHERE image_id = 'image_03.jpg'");
  const domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 4);
  EXPECT_EQ(cycle.validation_images, 3);
  EXPECT_EQ(cycle.left_out_count, 6);
  for (const char* name :
       {"image_02.jpg", "image_03.jpg", "image_07.jpg", "image_12.jpg", "image_14.jpg"}) {
    const auto image = place_.pools->GetImage(pool.key, name);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->state, domain::ImageState::kRejected) << name;
    EXPECT_NE(image->reject_reason, "");
  }
  // It may come back.
  EXPECT_EQ(place_.pools->GetImage(pool.key, "image_13.jpg")->state,
            domain::ImageState::kUnlabeled);
  EXPECT_NE(place_.pools->GetImage(pool.key, "image_03.jpg")->reject_reason.find("for 5 x 5"),
            std::string::npos);
  EXPECT_EQ(Count(place_.Queue(pool, "entropy")), 7u);
}

TEST_F(CycleTest, NoImageIsDecodedTwice) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 5, 6, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  EXPECT_EQ(place_.loader->decoded, 20);
  // The next cycle looks at the labeled ones anew, whose files may have changed.
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  EXPECT_EQ(place_.loader->decoded, 20 + 10);
}

TEST_F(CycleTest, AnImageWhoseAddressDoesNotAnswerIsLeftOutAndNamed) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 6, 4);
  place_.loader->locations = {"image_02.jpg", "image_12.jpg"};  // labeled, unlabeled
  domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(cycle.training_images, 5);
  EXPECT_EQ(Count(place_.Queue(pool, "entropy")), 9u);
  EXPECT_EQ(cycle.left_out_count, 2);
  ASSERT_EQ(cycle.left_out.size(), 2u);
  EXPECT_EQ(cycle.left_out[0].image_id, "image_02.jpg");
  EXPECT_NE(cycle.left_out[0].reason.find("503"), std::string::npos);
  // They are as they were, and the next cycle has them if they answer again.
  EXPECT_EQ(place_.pools->GetImage(pool.key, "image_02.jpg")->state, domain::ImageState::kLabeled);
  EXPECT_EQ(place_.pools->GetImage(pool.key, "image_12.jpg")->state,
            domain::ImageState::kUnlabeled);
  place_.loader->locations.clear();
  cycle = place_.RunCycle(pool);
  EXPECT_EQ(cycle.training_images, 6);
  EXPECT_EQ(cycle.left_out_count, 0);
}

TEST_F(CycleTest, WithoutAnyImageTheCycleFailsAndNamesOne) {
  const domain::Pool pool = place_.MakePool("pool", "entropy", 1, 6, 4);
  for (const DrawnImage& image : place_.drawn) place_.loader->locations.insert(image.name);
  const domain::Cycle cycle = place_.RunCycle(pool);
  EXPECT_EQ(cycle.state, CycleState::kFailed);
  // It is not known how many more: the check ends as soon as there are too many.
  EXPECT_NE(cycle.error.find(".jpg (and 3 more): the address answered 503"), std::string::npos)
      << cycle.error;
}

TEST_F(CycleTest, WithEverythingLabeledTheQueueIsEmpty) {
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 16, 4);
  const domain::Cycle cycle = place_.RunCycle(pool);
  ASSERT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
  EXPECT_EQ(place_.Queue(pool, "entropy"), "");
  EXPECT_EQ(place_.Queue(pool, "random"), "");
}

TEST_F(CycleTest, APoolWithoutImagesHasAnEmptySnapshot) {
  place_.drawn.clear();
  const domain::Pool pool = place_.MakePool("pool", "mgral", 1, 0, 0);
  const domain::Cycle cycle = place_.RunCycle(pool);
  EXPECT_EQ(cycle.state, CycleState::kSucceeded) << cycle.error;
}

TEST_F(CycleTest, ACanceledCycleStopsInTheMiddleAndLeavesTheSnapshotAsItWas) {
  domain::Pool settings = TinyPool("pool", "entropy", 1);
  const domain::Pool pool = place_.MakePool(settings, 6, 4);
  ASSERT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
  const std::string before = place_.Queue(pool, "entropy");

  settings.pool_id = "endless";
  settings.detector.training_steps = 1000000;
  const domain::Pool endless = place_.MakePool(settings, 6, 4);
  std::promise<std::string> ended;
  const domain::Cycle cycle = place_.RunCycle(
      endless,
      [&](const domain::Cycle& running) {
        const bool training = !running.stages.empty() && running.stages[0].fraction > 0;
        if (!training) return;
        ASSERT_TRUE(place_.cycles->CancelCycle(endless.key, running.cycle_id).ok());
      },
      [&](const std::string& outcome) { ended.set_value(outcome); });
  EXPECT_EQ(cycle.state, CycleState::kCanceled);
  EXPECT_EQ(ended.get_future().get(), "lost");
  EXPECT_EQ(place_.Queue(endless, "entropy"), "");
  EXPECT_EQ(place_.Queue(pool, "entropy"), before);
  // A new one may start at once.
  EXPECT_EQ(place_.RunCycle(pool).state, CycleState::kSucceeded);
}

}  // namespace
}  // namespace mgral::test
