#include "server/core/detector/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <numeric>
#include <string>

#include "server/core/detector/embed.h"
#include "server/core/detector/losses.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/profile.h"
#include "server/core/weights/safetensors.h"
#include "server/core/weights/weights_file.h"
#include "tests/unit/core/detector/shapes.h"
#include "tests/unit/core/error_of.h"

namespace mgral::core {
namespace {

using testing::HasSubstr;
using testing_support::ErrorOf;
using testing_support::Shapes;

DetectorConfig Small() {
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

std::string TempPath(const std::string& name) {
  return testing::TempDir() + "/mgral_detector_test_" + name;
}

TEST(DetectorConfig, RefusesNonsenseNamingTheField) {
  DetectorConfig config = Small();
  config.depth = 20;
  EXPECT_THAT(ErrorOf([&] { Detector(config, 0); }), HasSubstr("depth"));
  config = Small();
  config.input_size = 100;
  EXPECT_THAT(ErrorOf([&] { Detector(config, 0); }), HasSubstr("input_size"));
  EXPECT_THAT(ErrorOf([] { ParseDetectorConfig("depth=18 color=3"); }), HasSubstr("color"));
  EXPECT_THAT(ErrorOf([] { ParseDetectorConfig("depth=eighteen"); }), HasSubstr("depth"));
  EXPECT_THAT(ErrorOf([] { ParseDetectorConfig("width=nan"); }), HasSubstr("width"));
  EXPECT_THAT(ErrorOf([] { MakeProfile("enormous", 2); }), HasSubstr("enormous"));
}

TEST(DetectorConfig, TextRoundTrip) {
  EXPECT_EQ(ToString(ParseDetectorConfig(ToString(Small()))), ToString(Small()));
}

// torchvision 0.14's retinanet_resnet50_fpn(num_classes=91): so that its weights load one to one.
TEST(Detector, NamesAndShapesAreTorchvisions) {
  DetectorConfig config;
  config.num_classes = 91;
  const Detector detector(config, 0);
  const auto state = detector.net().State();
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"backbone.body.conv1.weight", {64, 3, 7, 7}},
      {"backbone.body.bn1.running_mean", {64}},
      {"backbone.body.layer1.0.conv1.weight", {64, 64, 1, 1}},
      {"backbone.body.layer1.0.downsample.0.weight", {256, 64, 1, 1}},
      {"backbone.body.layer1.0.downsample.1.bias", {256}},
      {"backbone.body.layer3.5.conv2.weight", {256, 256, 3, 3}},
      {"backbone.body.layer4.2.bn3.running_var", {2048}},
      {"backbone.fpn.inner_blocks.0.0.weight", {256, 512, 1, 1}},
      {"backbone.fpn.inner_blocks.2.0.bias", {256}},
      {"backbone.fpn.layer_blocks.2.0.weight", {256, 256, 3, 3}},
      {"backbone.fpn.extra_blocks.p6.weight", {256, 256, 3, 3}},
      {"backbone.fpn.extra_blocks.p7.bias", {256}},
      {"head.classification_head.conv.0.0.weight", {256, 256, 3, 3}},
      {"head.classification_head.conv.3.0.bias", {256}},
      {"head.classification_head.cls_logits.weight", {819, 256, 3, 3}},
      {"head.regression_head.conv.3.0.weight", {256, 256, 3, 3}},
      {"head.regression_head.bbox_reg.bias", {36}}};
  for (const auto& [name, shape] : expected) {
    ASSERT_EQ(state.count(name), 1u) << name;
    EXPECT_EQ(state.at(name).sizes().vec(), shape) << name;
  }
  int64_t without_counters = 0;
  for (const auto& entry : state) {
    without_counters += entry.first.find("num_batches_tracked") == std::string::npos;
  }
  EXPECT_EQ(without_counters, 301);  // 53 convolutions, 53 norms of 4, pyramid 16, heads 20
  // torchvision counts 34014999: its norms are frozen and have no parameters.
  EXPECT_EQ(detector.NumParameters(), 34014999 + 53120);
}

TEST(Detector, EveryDepthRuns) {
  for (int depth : {18, 34, 50, 101}) {
    DetectorConfig config = Small();
    config.depth = depth;
    config.min_level = depth == 18 ? 2 : 3;
    config.max_level = depth == 34 ? 5 : 7;
    torch::NoGradGuard no_grad;
    const Detector detector(config, 0);
    const RawOutput out = detector.net().ForwardImages(torch::zeros({1, 3, 64, 96}));
    EXPECT_EQ(out.logits.size(1), detector.net().Anchors(64, 96).size(0));
    EXPECT_EQ(out.features.size(), static_cast<size_t>(config.num_levels()));
    EXPECT_NEAR(out.logits.sigmoid().mean().item<double>(), 0.01, 0.005);
  }
}

TEST(WeightsFile, MissingDamagedAndForeignFilesAreNamed) {
  EXPECT_THAT(ErrorOf([] { Detector::Load("/nowhere/weights"); }), HasSubstr("read weights: "));
  const std::string path = TempPath("damaged");
  Detector(Small(), 1).Save(path);
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT(ErrorOf([&] { Detector::Load(path); }), HasSubstr("cut short"));
  WriteSafetensors(path, {Detector(Small(), 1).net().State(), {}});
  EXPECT_THAT(ErrorOf([&] { Detector::Load(path); }), HasSubstr("no config"));
  std::ofstream(path, std::ios::binary) << "hello";
  EXPECT_THAT(ErrorOf([&] { Detector::Load(path); }), HasSubstr("damaged"));
  EXPECT_THROW(Detector(Small(), 1).Save("/nowhere/weights"), std::system_error);
  std::remove(path.c_str());
}

TEST(WeightsFile, RoundTripAndConfigurationMismatch) {
  const std::string path = TempPath("weights");
  const Detector detector(Small(), 1);
  detector.Save(path);
  const Detector loaded = Detector::Load(path, Small());
  const auto expected = detector.net().State();
  for (const auto& [name, tensor] : loaded.net().State()) {
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
  }
  DetectorConfig other = Small();
  other.num_classes = 5;
  const std::string error = ErrorOf([&] { Detector::Load(path, other); });
  EXPECT_THAT(error, HasSubstr("num_classes=2"));
  EXPECT_THAT(error, HasSubstr("num_classes=5"));
  std::remove(path.c_str());
}

TEST(WeightsFile, IsSafetensorsAndTheFormatOfEarlierVersionsIsRead) {
  const std::string path = TempPath("weights");
  const Detector detector(Small(), 1);
  const auto expected = detector.net().State();
  detector.Save(path);
  const Safetensors file = ReadSafetensors(path, {});
  EXPECT_EQ(file.metadata.at("config"), ToString(Small()));
  EXPECT_EQ(file.tensors.size(), expected.size());

  WriteTensorFile(path, {{{"config", ToString(Small())}}, {{"weights", expected}}});
  const Detector loaded = Detector::Load(path, Small());
  for (const auto& [name, tensor] : loaded.net().State()) {
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
  }
  WriteTensorFile(path, {{}, {{"weights", expected}}});
  EXPECT_THAT(ErrorOf([&] { Detector::Load(path); }), HasSubstr("no config"));
  std::remove(path.c_str());
}

TEST(SetState, NamesTheTensorThatDoesNotFit) {
  const Detector detector(Small(), 1);
  auto state = Detector(Small(), 2).net().State();
  state["head.regression_head.bbox_reg.bias"] = torch::zeros({7});
  EXPECT_THAT(ErrorOf([&] { detector.net().SetState(state); }), HasSubstr("bbox_reg.bias"));
  state.erase("head.regression_head.bbox_reg.bias");
  EXPECT_THAT(ErrorOf([&] { detector.net().SetState(state); }), HasSubstr("bbox_reg.bias"));
}

TEST(Sample, WrongShapesAreRefused) {
  Sample sample = Shapes(1, 32, 1).samples()[0];
  Sample wrong = sample;
  wrong.labels = torch::full_like(sample.labels, 2);
  EXPECT_THAT(ErrorOf([&] { CheckedSample(wrong, 2, "image 7"); }), HasSubstr("image 7: a label"));
  wrong = sample;
  wrong.boxes = sample.boxes.clone();
  wrong.boxes[0][1] = std::nan("");
  EXPECT_THAT(ErrorOf([&] { CheckedSample(wrong, 2, "image 7"); }), HasSubstr("not finite"));
  wrong = sample;
  wrong.image = torch::zeros({3, 0, 8}, torch::kByte);
  EXPECT_THAT(ErrorOf([&] { CheckedSample(wrong, 2, "image 7"); }), HasSubstr("pixel"));
  wrong = sample;
  wrong.boxes = sample.boxes.clone();
  wrong.boxes[0][2] = wrong.boxes[0][0];
  EXPECT_EQ(CheckedSample(wrong, 2, "").boxes.size(0), sample.boxes.size(0) - 1);
}

TEST(AssignTargets, EveryObjectHasAnAnchorAndIgnoredOnesAreNotBackground) {
  const Detector detector(Small(), 0);
  const torch::Tensor anchors = detector.net().Anchors(64, 64);
  const std::vector<int64_t> levels = detector.net().LevelAnchors(64, 64);
  EXPECT_EQ(std::accumulate(levels.begin(), levels.end(), int64_t{0}), anchors.size(0));
  Sample labels;
  labels.boxes = torch::tensor({3.f, 3.f, 6.f, 5.f, 20.f, 20.f, 60.f, 60.f}).view({2, 4});
  labels.labels = torch::tensor({1, 0}, torch::kLong);
  labels.ignore = torch::zeros({2}, torch::kBool);
  TrainConfig config;
  Targets targets = AssignTargets({labels}, anchors, levels, 2, config);
  EXPECT_GT((targets.box_labels == 1).sum().item<int64_t>(), 0);
  EXPECT_GT((targets.box_labels == 0).sum().item<int64_t>(), 0);
  EXPECT_EQ(targets.classes.sum().item<double>(), targets.positives.size(0));
  labels.ignore.fill_(true);
  targets = AssignTargets({labels}, anchors, levels, 2, config);
  EXPECT_EQ(targets.positives.size(0), 0);
  EXPECT_LT(targets.weights.sum().item<double>(), anchors.size(0));
}

TEST(ClassWeights, RareClassesWeighMoreWithinLimits) {
  EXPECT_FALSE(ClassWeights({5, 1}, 0).defined());
  const torch::Tensor weights = ClassWeights({1000, 10, 0, 0}, 0.5);
  EXPECT_NEAR(weights[0].item<double>(), std::sqrt(252.5 / 1000), 1e-5);
  EXPECT_NEAR(weights[1].item<double>(), std::sqrt(252.5 / 10), 1e-5);
  EXPECT_EQ(weights[2].item<double>(), 8);
  EXPECT_TRUE(ClassWeights({0, 0}, 1).isfinite().all().item<bool>());
}

TEST(Predict, UntrainedDetectorWorksOnAnyShape) {
  const Detector detector(Small(), 3);
  EXPECT_TRUE(Predict(detector, {}).empty());
  PredictConfig config;
  config.min_score = 0.001f;
  const std::vector<torch::Tensor> images = {torch::zeros({3, 1, 1}, torch::kByte),
                                             torch::full({3, 7, 200}, 255, torch::kByte),
                                             torch::randint(255, {3, 90, 40}).to(torch::kByte)};
  const auto found = Predict(detector, images, config);
  ASSERT_EQ(found.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    for (const Detection& d : found[i]) {
      EXPECT_GE(d.box.x_min, 0);
      EXPECT_LE(d.box.x_max, images[i].size(2));
      EXPECT_LE(d.box.y_max, images[i].size(1));
      EXPECT_TRUE(std::isfinite(d.score));
    }
    const auto alone = Predict(detector, {images[i]}, config).at(0);
    ASSERT_EQ(alone.size(), found[i].size());
    for (size_t d = 0; d < alone.size(); ++d) EXPECT_FLOAT_EQ(alone[d].score, found[i][d].score);
  }
  EXPECT_THROW(Predict(detector, {torch::zeros({1, 5, 5}, torch::kByte)}), std::invalid_argument);
}

TEST(Embed, ColdStartGivesUnitVectorsThatTellImagesApart) {
  Shapes shapes(5, 64, 4);
  shapes.samples()[4].image = torch::zeros({3, 40, 64}, torch::kByte);
  const Detector detector(Small(), 3);
  const auto all = Embed(detector, shapes);
  ASSERT_EQ(all.size(), 5u);
  for (const Embedding& e : all) {
    ASSERT_EQ(static_cast<int64_t>(e.embedding.size()), EmbeddingSize(Small()));
    double square = 0;
    for (float v : e.embedding) square += v * v;
    EXPECT_NEAR(square, 1, 1e-4);
    EXPECT_EQ(e.expected_objects.size(), 2u);
    EXPECT_GE(e.disagreement, 0);
  }
  EXPECT_NE(all[0].embedding, all[4].embedding);
  DetectorConfig wide = Small();
  wide.pyramid_channels = 64;
  Shapes one(1, 64, 4);
  EXPECT_EQ(Embed(Detector(wide, 3), one)[0].embedding.size(), 128u);
  EXPECT_THROW(Embed(detector, shapes, {}, [](double) { return false; }), Canceled);
}

TEST(Embed, MirrorImageHasTheSameEmbedding) {
  Shapes shapes(1, 64, 4);
  Sample mirrored = shapes.samples()[0];
  mirrored.image = mirrored.image.flip(2);
  shapes.samples().push_back(mirrored);
  const auto all = Embed(Detector(Small(), 3), shapes);
  for (size_t i = 0; i < all[0].embedding.size(); ++i) {
    EXPECT_NEAR(all[0].embedding[i], all[1].embedding[i], 1e-4);
  }
  EXPECT_NEAR(all[0].disagreement, all[1].disagreement, 1e-3);
}

}  // namespace
}  // namespace mgral::core
