// Detectors on a frozen pretrained trunk, through the runtime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/core/weights/safetensors.h"
#include "server/runtime/torch_runtime.h"
#include "tests/unit/core/detector/made_efficientnet.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FrozenTrunkTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mgral_frozen_XXXXXX";
    folder_ = mkdtemp(name);
    options_ = {1, 64 << 20};
    options_.trunk_weights = folder_ + "/trunk.safetensors";
    options_.feature_folder = folder_ + "/features";
    options_.feature_bytes = 64 << 20;
    core::WriteSafetensors(options_.trunk_weights, {core::testing_support::MadeState().state, {}});
    for (int i = 0; i < 4; ++i) request_.training.push_back(test::FakeLoader::Example(i));
    for (int i = 4; i < 6; ++i) request_.validation.push_back(test::FakeLoader::Example(i));
    request_.detector.profile = "frozen";
    request_.detector.training_steps = 4;
    request_.detector.input_size = 96;
    request_.num_classes = 1;
    request_.seed = 3;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string TrainedBy(TorchRuntime* runtime, const std::string& name) {
    request_.checkpoint_folder = folder_ + "/" + name;
    fs::create_directories(request_.checkpoint_folder);
    const auto result = runtime->Train(request_, nullptr);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->weights_path : "";
  }
  int64_t FeatureFiles() const {
    int64_t files = 0;
    if (!fs::exists(options_.feature_folder)) return 0;
    for (const auto& entry : fs::recursive_directory_iterator(options_.feature_folder)) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }

  std::string folder_;
  RuntimeOptions options_;
  test::FakeLoader loader_;
  domain::DetectorRuntime::TrainRequest request_;
};

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(FrozenTrunkTest, IsTheDefaultWhereThereAreWeights) {
  TorchRuntime with(options_, &loader_);
  EXPECT_EQ(with.DefaultProfile(), "frozen");
  EXPECT_TRUE(with.Profile({"frozen"}).ok());
}

TEST_F(FrozenTrunkTest, WithoutWeightsItIsRefusedByName) {
  options_.trunk_weights = "";
  TorchRuntime without(options_, &loader_);
  EXPECT_EQ(without.DefaultProfile(), "tiny");
  const absl::Status status = without.Profile({"frozen"}).status();
  ASSERT_EQ(base::FieldViolations(status).size(), 1u);
  EXPECT_EQ(base::FieldViolations(status)[0].field, "detector.profile");
  EXPECT_THAT(base::FieldViolations(status)[0].description, HasSubstr("trunk_weights"));
  request_.checkpoint_folder = folder_;
  EXPECT_THAT(std::string(without.Train(request_, nullptr).status().message()),
              HasSubstr("trunk_weights"));
}

TEST_F(FrozenTrunkTest, FeaturesAreComputedOnceAndChangeNothing) {
  std::string first, second, bare;
  {
    TorchRuntime runtime(options_, &loader_);
    first = TrainedBy(&runtime, "first");
    EXPECT_GE(FeatureFiles(), 4 + 2);  // those that were trained and measured on
  }
  const int64_t kept = FeatureFiles();
  {
    TorchRuntime runtime(options_, &loader_);
    second = TrainedBy(&runtime, "second");
    EXPECT_EQ(FeatureFiles(), kept);
  }
  options_.feature_bytes = 0;
  options_.cache_bytes = 0;
  TorchRuntime runtime(options_, &loader_);
  bare = TrainedBy(&runtime, "bare");
  EXPECT_EQ(ContentOf(first), ContentOf(second));
  EXPECT_EQ(ContentOf(first), ContentOf(bare));
}

TEST_F(FrozenTrunkTest, AReplacedImageHasFeaturesOfItsOwn) {
  TorchRuntime runtime(options_, &loader_);
  TrainedBy(&runtime, "first");
  const int64_t kept = FeatureFiles();
  request_.training[0] = test::FakeLoader::Example(9);
  TrainedBy(&runtime, "second");
  EXPECT_GT(FeatureFiles(), kept);
}

TEST_F(FrozenTrunkTest, EmbeddingAPoolKeepsItsFeatures) {
  TorchRuntime runtime(options_, &loader_);
  const std::string weights = TrainedBy(&runtime, "first");
  const int64_t kept = FeatureFiles();
  const std::vector<domain::Image> images = {test::FakeLoader::Example(20).image,
                                             test::FakeLoader::Example(21).image};
  const auto embedded = runtime.Embed(weights, images, nullptr);
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  EXPECT_EQ(FeatureFiles(), kept + 2 * 2);  // two images, upright and mirrored
  const auto again = TorchRuntime(options_, &loader_).Embed(weights, images, nullptr);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*embedded)[1].embedding, (*again)[1].embedding);
}

TEST_F(FrozenTrunkTest, PredictKeepsFeaturesWhereItIsAskedTo) {
  TorchRuntime runtime(options_, &loader_);
  const std::string weights = TrainedBy(&runtime, "first");
  const int64_t kept = FeatureFiles();
  const std::vector<domain::Image> images = {test::FakeLoader::Example(20).image,
                                             test::FakeLoader::Example(21).image};
  const auto bare = runtime.Predict({}, weights, images, {}, {0.001});
  EXPECT_EQ(FeatureFiles(), kept);
  const auto first = runtime.Predict({}, weights, images, {}, {0.001, true});
  EXPECT_EQ(FeatureFiles(), kept + 2);
  const auto second =
      TorchRuntime(options_, &loader_).Predict({}, weights, images, {}, {0.001, true});
  EXPECT_EQ(FeatureFiles(), kept + 2);
  for (const auto& found : {first, second}) {
    ASSERT_TRUE(bare.ok() && found.ok()) << found.status();
    for (size_t i = 0; i < images.size(); ++i) {
      ASSERT_EQ((*found)[i].boxes.size(), (*bare)[i].boxes.size());
      for (size_t b = 0; b < (*bare)[i].boxes.size(); ++b) {
        EXPECT_EQ((*found)[i].boxes[b].score, (*bare)[i].boxes[b].score);
        EXPECT_EQ((*found)[i].boxes[b].x_min, (*bare)[i].boxes[b].x_min);
      }
    }
  }
}

TEST_F(FrozenTrunkTest, ReplayKeepsFeatures) {
  TorchRuntime runtime(options_, &loader_);
  domain::DetectorRuntime::ReplayRequest replay;
  replay.weights_path = TrainedBy(&runtime, "first");
  replay.num_classes = 1;
  for (int i = 30; i < 40; ++i) replay.labeled.push_back(test::FakeLoader::Example(i));
  replay.probes = 4;
  const int64_t kept = FeatureFiles();
  const auto result = runtime.Replay(replay, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->base.probes.size(), 4u);
  EXPECT_EQ(FeatureFiles(), kept + 10);
  const auto again = TorchRuntime(options_, &loader_).Replay(replay, nullptr);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->base.probes[2].response, result->base.probes[2].response);
}

TEST_F(FrozenTrunkTest, AFileThatHoldsNoTrunkIsRefusedByName) {
  const auto problem = [&](const std::string& path) {
    return std::string(TorchRuntime::CheckTrunkWeights(path).message());
  };
  EXPECT_EQ(problem(options_.trunk_weights), "");
  EXPECT_THAT(problem(folder_ + "/absent.pth"), HasSubstr("absent.pth"));
  auto state = core::testing_support::MadeState().state;
  state.erase("_blocks.3._depthwise_conv.weight");
  core::WriteSafetensors(folder_ + "/less.safetensors", {state, {}});
  EXPECT_THAT(problem(folder_ + "/less.safetensors"),
              HasSubstr("_blocks.3._depthwise_conv.weight"));
  state = core::testing_support::MadeState().state;
  state["_conv_stem.weight"] = at::zeros({16, 3, 3, 3});
  core::WriteSafetensors(folder_ + "/narrow.safetensors", {state, {}});
  EXPECT_THAT(problem(folder_ + "/narrow.safetensors"),
              HasSubstr("narrow.safetensors is not a state dict of EfficientNet-Lite0"));
  const std::string whole = ContentOf(options_.trunk_weights);
  std::ofstream(folder_ + "/cut.safetensors") << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(problem(folder_ + "/cut.safetensors"), HasSubstr("cut.safetensors"));
  std::ofstream(folder_ + "/code.pth") << "cos\nsystem\n(S'true'\ntR.";
  EXPECT_THAT(problem(folder_ + "/code.pth"), HasSubstr("code.pth"));
}

}  // namespace
}  // namespace mgral::runtime
