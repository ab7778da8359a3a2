#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/embed.h"
#include "server/core/detector/embed_objects.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/proposals.h"
#include "server/core/detector/train.h"
#include "tests/unit/core/detector/shapes.h"

namespace mgral::core {
namespace {

using testing_support::Shapes;

DetectorConfig Narrow(Architecture architecture) {
  DetectorConfig config = TorchvisionConfig(architecture, 2);
  config.depth = 18;
  config.width = 0.0625;
  config.pyramid_channels = 8;
  config.head_convs = 1;
  if (architecture != Architecture::kSsd300) config.input_size = 64;
  return config;
}

class NetworksTest : public testing::TestWithParam<Architecture> {
 protected:
  void SetUp() override { at::set_num_threads(2); }
};

TEST_P(NetworksTest, TrainsEmbedsAndPredicts) {
  Detector detector(Narrow(GetParam()), 1);
  Shapes shapes(4, 64, 3);
  TrainConfig train;
  train.steps = 3;
  train.batch_size = 2;
  train.shards = 2;
  train.learning_rate = 0.001;
  train.class_balance = 0.5;
  const TrainReport report = Train(detector, shapes, train);
  EXPECT_TRUE(std::isfinite(report.loss));
  const auto embedded = Embed(detector, shapes);
  EXPECT_EQ(static_cast<int64_t>(embedded[0].embedding.size()), EmbeddingSize(detector.config()));
  PredictConfig predict = DefaultPredictConfig(detector.config());
  predict.min_score = 0.001f;
  for (const Embedding& e : Embed(detector, shapes, predict)) {
    EXPECT_EQ(static_cast<int64_t>(e.objects.size()),
              std::min<int64_t>(kMaxEmbeddedObjects, e.detections.size()) *
                  ObjectEmbeddingSize(detector.config()));
  }
  const auto found = Predict(detector, {shapes.Get(0).image}, predict);
  for (const Detection& d : found[0]) {
    EXPECT_GE(d.label, 0);
    EXPECT_LT(d.label, 2);
    EXPECT_LE(d.box.x_max, 64);
  }
}

TEST_P(NetworksTest, ConfigurationSurvivesItsText) {
  const DetectorConfig config = Narrow(GetParam());
  EXPECT_EQ(ToString(ParseDetectorConfig(ToString(config))), ToString(config));
  EXPECT_EQ(ParseDetectorConfig(ToString(config)).architecture, GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, NetworksTest,
                         testing::Values(Architecture::kRetinaNet, Architecture::kFasterRcnn,
                                         Architecture::kSsd300));

TEST(Ssd, HasThePapersDefaultBoxes) {
  const Detector detector(Narrow(Architecture::kSsd300), 0);
  const at::Tensor boxes = detector.net().Anchors(300, 300);
  EXPECT_EQ(boxes.size(0), 8732);
  const std::vector<int64_t> levels = detector.net().LevelAnchors(300, 300);
  EXPECT_EQ(std::accumulate(levels.begin(), levels.end(), int64_t{0}), 8732);
  // The first: 21 pixels, centered at (4, 4).
  EXPECT_TRUE(at::allclose(boxes[0], at::tensor({-6.5f, -6.5f, 14.5f, 14.5f})));
}

TEST(Trunks, AllGiveFourStages) {
  c10::NoGradGuard no_grad;
  for (Trunk trunk : {Trunk::kMobileNetV3Large, Trunk::kVgg16, Trunk::kEfficientNetLite0}) {
    DetectorConfig config = Narrow(Architecture::kRetinaNet);
    config.trunk = trunk;
    config.min_level = 2;
    const Detector detector(config, 0);
    const auto features = detector.net().Features(at::zeros({1, 3, 64, 96}));
    ASSERT_EQ(features.size(), 4u);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(features[i].size(2), 16 >> i) << ToString(trunk);
      EXPECT_EQ(features[i].size(3), 24 >> i) << ToString(trunk);
    }
  }
}

TEST(LastStage, IsTrainedAloneAndItsFeaturesComeFromTheStagesBefore) {
  DetectorConfig config = Narrow(Architecture::kRetinaNet);
  config.frozen_trunk = config.trained_last_stage = true;
  Detector detector(config, 1);
  const auto features = detector.net().Features(at::zeros({1, 3, 64, 64}));
  EXPECT_EQ(features.size(), 2u);  // C3 and C4
  const auto before = detector.net().FeatureState();
  for (const auto& [name, tensor] : before) {
    EXPECT_EQ(name.find("layer4"), std::string::npos) << name;
  }
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : detector.net().State()) copies[name] = tensor.clone();
  Shapes shapes(4, 64, 3);
  TrainConfig train;
  train.steps = 2;
  train.batch_size = 2;
  Train(detector, shapes, train);
  const auto after = detector.net().State();
  const std::string last = "backbone.body.layer4.0.conv1.weight";
  EXPECT_FALSE(at::equal(after.at(last), copies.at(last)));
  for (const auto& [name, tensor] : before) {
    EXPECT_TRUE(at::equal(after.at(name), copies.at(name))) << name;
  }
}

TEST(Proposals, AreLabeledByWhatTheyOverlap) {
  Sample objects;
  objects.boxes = at::tensor({0.f, 0.f, 10.f, 10.f, 50.f, 50.f, 80.f, 80.f}).view({2, 4});
  objects.labels = at::tensor({1, 0}, at::kLong);
  objects.ignore = at::tensor({0, 1}, at::kByte).to(at::kBool);
  const at::Tensor proposals =
      at::tensor({0.f, 0.f, 10.f, 8.f, 20.f, 20.f, 30.f, 30.f, 55.f, 55.f, 75.f, 75.f})
          .view({3, 4});
  const LabeledProposals labeled = LabelProposals(proposals, objects);
  EXPECT_TRUE(at::equal(labeled.labels, at::tensor({2, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(labeled.boxes, proposals.slice(0, 0, 2)));
  EXPECT_TRUE(at::equal(labeled.objects[0], objects.boxes[0]));
}

TEST(Proposals, OverlappingOnesOfALevelAreSuppressedAndOthersClipped) {
  const at::Tensor logits = at::tensor({2.f, 3.f, 1.f});
  const at::Tensor boxes =
      at::tensor({0.f, 0.f, 10.f, 10.f, 0.f, 0.f, 10.f, 9.f, 90.f, 90.f, 130.f, 130.f})
          .view({3, 4});
  const at::Tensor picked = PickProposals(logits, boxes, {2, 1}, {0, 0, 100, 100}, 1000, 1000);
  EXPECT_TRUE(
      at::equal(picked, at::tensor({0.f, 0.f, 10.f, 9.f, 90.f, 90.f, 100.f, 100.f}).view({2, 4})))
      << picked;
}

}  // namespace
}  // namespace mgral::core
