#include "server/core/detector/train.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "tests/unit/core/detector/shapes.h"

namespace mgral::core {
namespace {

using testing_support::Shapes;

DetectorConfig Small() {
  DetectorConfig config;
  config.depth = 18;
  config.width = 0.25;
  config.input_size = 96;
  config.num_classes = 2;
  config.pyramid_channels = 32;
  config.head_convs = 1;
  config.head_norm = true;
  config.max_level = 6;
  config.anchor_scale = 2;
  return config;
}

TrainConfig Short(int64_t steps) {
  TrainConfig config;
  config.steps = steps;
  config.batch_size = 4;
  config.shards = 2;
  config.learning_rate = 0.02;
  config.warmup_steps = 2;
  config.ema_decay = 0.9;
  config.seed = 5;
  return config;
}

void ExpectSameWeights(const Detector& a, const Detector& b) {
  const auto expected = b.net().State();
  for (const auto& [name, tensor] : a.net().State()) {
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
  }
}

class TrainTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(2);
    std::remove(path_.c_str());
  }
  void TearDown() override { std::remove(path_.c_str()); }
  const std::string path_ = testing::TempDir() + "/mgral_train_test_checkpoint";
};

TEST_F(TrainTest, RefusesAnEmptySetAndNonsense) {
  Detector detector(Small(), 1);
  Shapes none(0, 64, 1), shapes(2, 64, 1);
  EXPECT_THROW(Train(detector, none, Short(1)), std::invalid_argument);
  TrainConfig config = Short(1);
  config.learning_rate = std::nan("");
  EXPECT_THROW(Train(detector, shapes, config), std::invalid_argument);
  config = Short(1);
  config.shards = 9;
  EXPECT_THROW(Train(detector, shapes, config), std::invalid_argument);
}

TEST_F(TrainTest, DivergenceIsAnErrorNotNaN) {
  Detector detector(Small(), 1);
  Shapes shapes(4, 64, 1);
  TrainConfig config = Short(60);
  config.learning_rate = 1e12;
  config.gradient_clip = 0;
  EXPECT_THROW(Train(detector, shapes, config), std::runtime_error);
  EXPECT_FALSE(detector.net().training());
}

TEST_F(TrainTest, CanceledByTheCallback) {
  Detector detector(Small(), 1);
  Shapes shapes(4, 64, 1);
  int calls = 0;
  EXPECT_THROW(
      Train(detector, shapes, Short(50), {}, [&](const TrainProgress&) { return ++calls < 3; }),
      Canceled);
  EXPECT_EQ(calls, 3);
  EXPECT_FALSE(detector.net().training());
}

TEST_F(TrainTest, ImagesWithoutBoxesAndIgnoredBoxesStayFinite) {
  Shapes shapes(4, 64, 1);
  for (Sample& s : shapes.samples()) s.boxes = s.labels = s.ignore = torch::Tensor();
  shapes.samples()[1] = Shapes(1, 64, 2).samples()[0];
  shapes.samples()[1].ignore.fill_(true);
  for (BoxLoss loss : {BoxLoss::kSmoothL1, BoxLoss::kGeneralizedIou}) {
    Detector detector(Small(), 1);
    TrainConfig config = Short(4);
    config.box_loss = loss;
    const TrainReport report = Train(detector, shapes, config);
    EXPECT_TRUE(std::isfinite(report.loss));
    for (const auto& [name, tensor] : detector.net().State()) {
      EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
    }
  }
}

TEST_F(TrainTest, SameSeedSameWeightsWhateverTheThreads) {
  Shapes shapes(6, 64, 1);
  Detector a(Small(), 1), b(Small(), 1), c(Small(), 1);
  Train(a, shapes, Short(6));
  at::set_num_threads(1);
  Train(b, shapes, Short(6));
  ExpectSameWeights(a, b);
  TrainConfig other = Short(6);
  other.seed = 6;
  Train(c, shapes, other);
  EXPECT_FALSE(torch::equal(a.net().Parameters()[0].second, c.net().Parameters()[0].second));
}

TEST_F(TrainTest, ResumingGivesTheSameAsNotStopping) {
  Shapes shapes(6, 64, 1);
  Detector whole(Small(), 1), broken(Small(), 1);
  Train(whole, shapes, Short(10));
  EXPECT_THROW(Train(broken, shapes, Short(10), {path_, 3},
                     [](const TrainProgress& p) { return p.step < 7; }),
               Canceled);
  Detector resumed(Small(), 99);  // its weights come from the checkpoint
  const TrainReport report = Train(resumed, shapes, Short(10), {path_, 3});
  EXPECT_EQ(report.resumed_at, 6);
  ExpectSameWeights(resumed, whole);
  Detector again(Small(), 98);  // the last checkpoint is the end
  EXPECT_EQ(Train(again, shapes, Short(10), {path_, 3}).images_seen, 0);
  ExpectSameWeights(again, whole);
}

TEST_F(TrainTest, CheckpointOfAnotherTrainingIsRefused) {
  Shapes shapes(6, 64, 1);
  Detector detector(Small(), 1);
  Train(detector, shapes, Short(2), {path_, 1});
  TrainConfig other = Short(2);
  other.seed = 77;
  EXPECT_THROW(Train(detector, shapes, other, {path_, 1}), std::runtime_error);
  Shapes fewer(5, 64, 1);
  EXPECT_THROW(Train(detector, fewer, Short(2), {path_, 1}), std::runtime_error);
}

TEST_F(TrainTest, OverfitsEightImages) {
  Shapes shapes(8, 96, 21);
  TrainConfig config;
  config.steps = 120;
  config.batch_size = 8;
  config.shards = 2;
  config.learning_rate = 0.05;
  config.warmup_steps = 10;
  config.scale_min = config.scale_max = 1;
  Detector detector(Small(), 1);
  const TrainReport report = Train(detector, shapes, config);
  const Accuracy accuracy = Evaluate(detector, shapes);
  RecordProperty("map50", std::to_string(accuracy.map50));
  EXPECT_GT(accuracy.map50, 0.9) << "after " << report.seconds << " s, loss " << report.loss;
}

}  // namespace
}  // namespace mgral::core
