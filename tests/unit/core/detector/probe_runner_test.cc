#include "server/core/detector/probe_runner.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "server/core/detector/network.h"
#include "tests/unit/core/detector/shapes.h"

namespace mgral::core {
namespace {

using testing_support::Shapes;

class ProbeTest : public testing::Test {
 protected:
  ProbeTest() : start_(Shape(), 1), labeled_(4, 64, 1), batch_(3, 64, 2), validation_(4, 64, 3) {
    at::set_num_threads(2);
    config_.train.steps = 4;
    config_.train.batch_size = 4;
    config_.train.shards = 2;
    config_.train.learning_rate = 0.01;
    config_.train.warmup_steps = 0;
    config_.foreground_score = 0.001;
    config_.consistency_weight = 5;
  }
  static DetectorConfig Shape() {
    DetectorConfig config;
    config.depth = 18;
    config.width = 0.125;
    config.input_size = 64;
    config.num_classes = 2;
    config.pyramid_channels = 16;
    config.head_convs = 1;
    config.max_level = 6;
    config.anchor_scale = 2;
    return config;
  }
  ProbeOutcome Run(SampleSource* unlabeled, SampleSource* labeled) {
    return RunProbe(start_, labeled_, unlabeled, labeled, validation_, config_);
  }

  Detector start_;
  Shapes labeled_, batch_, validation_;
  ProbeConfig config_;
};

TEST_F(ProbeTest, RefusesBothBatchesAndNoLabels) {
  EXPECT_THROW(Run(&batch_, &batch_), std::invalid_argument);
  Shapes none(0, 64, 1);
  EXPECT_THROW(RunProbe(start_, none, nullptr, nullptr, validation_, config_),
               std::invalid_argument);
  EXPECT_THROW(RunProbe(start_, labeled_, nullptr, nullptr, validation_, config_,
                        [](double) { return false; }),
               Canceled);
}

TEST_F(ProbeTest, LeavesTheDetectorAsItWas) {
  const torch::Tensor before = start_.net().Parameters()[0].second.clone();
  Run(&batch_, nullptr);
  EXPECT_TRUE(torch::equal(before, start_.net().Parameters()[0].second));
}

TEST_F(ProbeTest, SameSeedSameOutcomeAndKindsDiffer) {
  const ProbeOutcome control = Run(nullptr, nullptr), again = Run(nullptr, nullptr);
  const ProbeOutcome semi = Run(&batch_, nullptr), replay = Run(nullptr, &batch_);
  ASSERT_EQ(control.class_loss.size(), 2u);
  for (int c = 0; c < 2; ++c) {
    EXPECT_EQ(control.class_loss[c], again.class_loss[c]);
    EXPECT_TRUE(std::isfinite(semi.class_loss[c]));
    EXPECT_NE(control.class_loss[c], semi.class_loss[c]);
    EXPECT_NE(control.class_loss[c], replay.class_loss[c]);
    EXPECT_NE(semi.class_loss[c], replay.class_loss[c]);
  }
}

TEST_F(ProbeTest, EmptyBatchOrZeroWeightIsTheControl) {
  Shapes none(0, 64, 1);
  const ProbeOutcome control = Run(nullptr, nullptr);
  EXPECT_EQ(Run(&none, nullptr).class_loss, control.class_loss);
  config_.consistency_weight = 0;
  EXPECT_EQ(Run(&batch_, nullptr).class_loss, control.class_loss);
}

TEST_F(ProbeTest, UnlabeledBatchesMayHaveNoBoxesAndTheirBoxesAreNotUsed) {
  const ProbeOutcome with_boxes = Run(&batch_, nullptr);
  for (Sample& s : batch_.samples()) s.boxes = s.labels = s.ignore = torch::Tensor();
  EXPECT_EQ(Run(&batch_, nullptr).class_loss, with_boxes.class_loss);
}

}  // namespace
}  // namespace mgral::core
