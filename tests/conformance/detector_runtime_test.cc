// What DetectorRuntime promises, held by the real runtime and by the fake that unit tests trust.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "server/base/errors.h"
#include "server/runtime/torch_runtime.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral {
namespace {

namespace fs = std::filesystem;
using domain::DetectorRuntime;
using testing::Each;
using testing::IsEmpty;
using testing::SizeIs;

enum class DetectorKind { kReal, kFake };

class DetectorRuntimeTest : public testing::TestWithParam<DetectorKind> {
 protected:
  void SetUp() override {
    folder_ = (fs::temp_directory_path() / "mgral_detector_runtime_XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    runtime_ = std::make_unique<test::FakeDetectorRuntime>(&loader_);
    if (GetParam() == DetectorKind::kFake) return;
    const runtime::RuntimeOptions options{1, 64 << 20};
    runtime_ = std::make_unique<runtime::TorchRuntime>(options, &loader_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static bool Stop(double) { return false; }

  DetectorRuntime::TrainRequest TrainRequest(const std::string& name, int classes = 1) {
    DetectorRuntime::TrainRequest request;
    for (int i = 0; i < 4; ++i) request.training.push_back(test::FakeLoader::Example(i));
    for (int i = 4; i < 6; ++i) request.validation.push_back(test::FakeLoader::Example(i));
    request.detector.profile = "micro";
    request.detector.training_steps = 2;
    request.detector.input_size = 96;
    request.num_classes = classes;
    request.checkpoint_folder = folder_ + "/" + name;
    request.seed = 3;
    fs::create_directories(request.checkpoint_folder);
    return request;
  }
  std::string Weights() {
    const auto trained = runtime_->Train(TrainRequest("weights"), nullptr);
    EXPECT_TRUE(trained.ok()) << trained.status();
    return trained.ok() ? trained->weights_path : "";
  }
  static DetectorRuntime::ReplayRequest ReplayRequest(const std::string& weights) {
    DetectorRuntime::ReplayRequest request;
    request.weights_path = weights;
    request.num_classes = 1;
    for (int i = 8; i < 20; ++i) request.labeled.push_back(test::FakeLoader::Example(i));
    for (int i = 4; i < 6; ++i) request.validation.push_back(test::FakeLoader::Example(i));
    request.base = 1;
    request.probes = 5;
    request.seed = 4;
    return request;
  }
  static std::vector<domain::Image> Images(int count) {
    std::vector<domain::Image> images;
    for (int i = 0; i < count; ++i) images.push_back(test::FakeLoader::Example(20 + i).image);
    return images;
  }

  std::string folder_;
  test::FakeLoader loader_;
  std::unique_ptr<DetectorRuntime> runtime_;
};

INSTANTIATE_TEST_SUITE_P(All, DetectorRuntimeTest,
                         testing::Values(DetectorKind::kReal, DetectorKind::kFake),
                         [](const auto& kind) {
                           return kind.param == DetectorKind::kReal ? "Real" : "Fake";
                         });

TEST_P(DetectorRuntimeTest, KnowsItsProfiles) {
  for (const char* name : {"micro", "tiny", "small", "base", "large"}) {
    const auto profile = runtime_->Profile({name});
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_GT(profile->input_size, 0);
    EXPECT_GT(profile->replay_probes, 0);
  }
  const auto blamed = [&](const char* profile, int input_size) {
    const auto found = runtime_->Profile({profile, false, 0, input_size});
    return found.ok() ? "" : base::FieldViolations(found.status()).at(0).field;
  };
  EXPECT_EQ(blamed("enormous", 0), "detector.profile");
  for (const int size : {129, -32, 8192}) EXPECT_EQ(blamed("tiny", size), "detector.input_size");
  EXPECT_EQ(blamed("tiny", 320), "");
}

TEST_P(DetectorRuntimeTest, PreparesImagesAndSaysHowLargeTheyAre) {
  const domain::DetectorSettings settings = TrainRequest("unused").detector;
  domain::ImageSource source = test::FakeLoader::Example(1).image.source;
  const auto size = runtime_->Prepare({}, settings, source);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(size->width, 120);
  EXPECT_EQ(size->height, 90);
  const auto fault = [&](const std::string& location) {
    source.location = location;
    return domain::FaultOf(runtime_->Prepare({}, settings, source).status());
  };
  EXPECT_EQ(fault("bad"), domain::ImageFault::kContent);
  EXPECT_EQ(fault("gone"), domain::ImageFault::kMissing);
  EXPECT_EQ(fault("away"), domain::ImageFault::kUnreachable);
  // No reason to reject any image.
  domain::DetectorSettings unknown = settings;
  unknown.profile = "enormous";
  const absl::Status refused = runtime_->Prepare({}, unknown, source).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(domain::FaultOf(refused), domain::ImageFault::kNone);
}

TEST_P(DetectorRuntimeTest, TrainingLeavesWeightsInItsFolderAndMeasuresThem) {
  const auto request = TrainRequest("a", 2);
  const auto trained = runtime_->Train(request, nullptr);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(fs::path(trained->weights_path).parent_path(), request.checkpoint_folder);
  EXPECT_TRUE(fs::exists(trained->weights_path));
  EXPECT_GT(trained->parameters, 0);
  EXPECT_EQ(trained->validation.images, 2);
  EXPECT_THAT(trained->validation.classes, SizeIs(2));
  EXPECT_EQ(runtime_->Train(TrainRequest("b"), Stop).status().code(), absl::StatusCode::kCancelled);
  auto cold = TrainRequest("c");
  cold.training.clear();
  EXPECT_TRUE(runtime_->Train(cold, nullptr).ok());
  auto unknown = TrainRequest("d");
  unknown.detector.profile = "enormous";
  EXPECT_EQ(runtime_->Train(unknown, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(DetectorRuntimeTest, EmbedsInOrderAndTheSameForTheSameSeed) {
  const std::string weights = Weights();
  std::vector<domain::Image> images = Images(3);
  images[1].source.location = "bad";
  const auto signals = runtime_->Embed(weights, images, nullptr);
  ASSERT_TRUE(signals.ok()) << signals.status();
  ASSERT_THAT(*signals, SizeIs(3));
  for (int i : {0, 2}) {
    const domain::ImageSignals& image = (*signals)[i];
    EXPECT_EQ(image.image_key, images[i].key);
    EXPECT_EQ(image.error, "");
    EXPECT_GT(image.embedding.size(), 0u);
    EXPECT_LE(image.embedding.size(), 128u);
    EXPECT_EQ(image.embedding.size(), (*signals)[0].embedding.size());
    EXPECT_THAT(image.expected_objects, SizeIs(1));
    EXPECT_THAT(image.uncertainty, SizeIs(1));
    EXPECT_THAT(image.uncertainty, Each(testing::Ge(0)));
  }
  EXPECT_EQ((*signals)[1].image_key, images[1].key);
  EXPECT_NE((*signals)[1].error, "");
  EXPECT_THAT((*signals)[1].embedding, IsEmpty());
  const auto again = runtime_->Train(TrainRequest("again"), nullptr);
  ASSERT_TRUE(again.ok());
  const auto same = runtime_->Embed(again->weights_path, images, nullptr);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ((*same)[2].embedding, (*signals)[2].embedding);

  EXPECT_THAT(*runtime_->Embed(weights, {}, nullptr), IsEmpty());
  EXPECT_EQ(runtime_->Embed(weights, Images(1), Stop).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(runtime_->Embed(folder_ + "/missing.pt", Images(1), nullptr).ok());
  images[1].source.location = "away";
  EXPECT_EQ(runtime_->Embed(weights, images, nullptr).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(DetectorRuntimeTest, ReplaysBatchesThatAreNotInTheirBase) {
  DetectorRuntime::ReplayRequest request = ReplayRequest(Weights());
  const auto result = runtime_->Replay(request, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->left_out, IsEmpty());
  ASSERT_THAT(result->base.probes, SizeIs(5));
  for (const domain::ReplayProbe& probe : result->base.probes) {
    EXPECT_THAT(probe.image_keys, testing::Not(IsEmpty()));
    EXPECT_THAT(result->base.image_keys,
                testing::Not(testing::Contains(testing::AnyOfArray(probe.image_keys))));
    EXPECT_THAT(probe.response, SizeIs(1));
    EXPECT_THAT(probe.held_positives, SizeIs(1));
  }
  const auto again = runtime_->Replay(request, nullptr);
  EXPECT_EQ(again->base.probes[3].response, result->base.probes[3].response);
  request.seconds = 1e-9;
  request.fewest = 4;
  EXPECT_THAT(runtime_->Replay(request, nullptr)->base.probes, SizeIs(4));
  EXPECT_EQ(runtime_->Replay(request, Stop).status().code(), absl::StatusCode::kCancelled);
  request.labeled.resize(3);
  EXPECT_THAT(runtime_->Replay(request, nullptr)->base.probes, IsEmpty());
}

TEST_P(DetectorRuntimeTest, NamesTheExamplesThatItGoesWithout) {
  auto train = TrainRequest("a");
  train.training[1].image.image_id = "bad";
  train.training[1].image.source.location = "bad";
  train.validation[0].image.width = train.validation[0].image.height = 7;  // has 120 x 90
  const auto trained = runtime_->Train(train, nullptr);
  ASSERT_TRUE(trained.ok()) << trained.status();
  ASSERT_THAT(trained->left_out, SizeIs(2));
  EXPECT_EQ(trained->left_out[0].image_key, train.training[1].image.key);
  EXPECT_EQ(trained->left_out[0].image_id, "bad");
  EXPECT_EQ(trained->left_out[1].image_key, train.validation[0].image.key);
  for (const auto& image : trained->left_out) EXPECT_NE(image.reason, "");

  DetectorRuntime::ReplayRequest replay = ReplayRequest(trained->weights_path);
  replay.labeled.push_back(train.training[1]);
  const auto replayed = runtime_->Replay(replay, nullptr);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  ASSERT_THAT(replayed->left_out, SizeIs(1));
  EXPECT_EQ(replayed->left_out[0].image_id, "bad");

  replay.labeled.back().image.source.location = train.training[1].image.source.location = "away";
  EXPECT_EQ(runtime_->Replay(replay, nullptr).status().code(), absl::StatusCode::kUnavailable);
  train.checkpoint_folder = TrainRequest("b").checkpoint_folder;
  EXPECT_EQ(runtime_->Train(train, nullptr).status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(DetectorRuntimeTest, PredictsFromSourcesAndFromBytes) {
  const std::string weights = Weights();
  std::vector<domain::Image> images(3);
  images[0].source.location = "120x90:1";
  images[1].source.location = "bad";
  const auto found = runtime_->Predict({}, weights, images, {"", "", "60x45:2"}, {0.001});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(*found, SizeIs(3));
  EXPECT_EQ((*found)[0].width, 120);
  EXPECT_EQ((*found)[0].height, 90);
  EXPECT_EQ((*found)[0].error, "");
  EXPECT_NE((*found)[1].error, "");
  EXPECT_EQ((*found)[2].height, 45);
  for (const domain::Box& box : (*found)[0].boxes) {
    EXPECT_GE(box.score, 0.001);
    EXPECT_GE(box.x_min, 0);
    EXPECT_LE(box.x_min + box.width, 120 + 1e-6);
    EXPECT_LE(box.y_min + box.height, 90 + 1e-6);
  }
  EXPECT_THAT((*runtime_->Predict({}, weights, images, {"", "", "60x45:2"}, {1.0}))[0].boxes,
              IsEmpty());
  EXPECT_EQ(runtime_->Predict({}, weights, images, {}, {0.1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(runtime_->Predict({}, folder_ + "/missing.pt", Images(1), {}, {0.1}).ok());
}

TEST_P(DetectorRuntimeTest, DescribesPredictionsOfAnotherDetector) {
  const domain::Box sure = {10, 10, 20, 20, 1, false, 1}, unsure = {0, 0, 5, 5, 0, false, 0.5};
  const auto signals = runtime_->Describe({{7, {sure, unsure}, {0.6f, 0.8f}}, {9, {}, {1, 0}}}, 2);
  ASSERT_TRUE(signals.ok()) << signals.status();
  ASSERT_THAT(*signals, SizeIs(2));
  const domain::ImageSignals& image = (*signals)[0];
  EXPECT_EQ(image.image_key, 7);
  EXPECT_THAT(image.embedding, testing::ElementsAre(testing::FloatEq(0.6), testing::FloatEq(0.8)));
  EXPECT_THAT(image.expected_objects, testing::ElementsAre(0.5f, 1.0f));
  EXPECT_GT(image.uncertainty[0], image.uncertainty[1]);
  EXPECT_THAT(image.predictions, SizeIs(2));
  EXPECT_THAT((*signals)[1].expected_objects, Each(0));
  EXPECT_THAT((*runtime_->Describe({{7, {unsure}, {}}}, 2))[0].embedding, IsEmpty());
}

TEST_P(DetectorRuntimeTest, MeasuresPredictionsOfAnotherDetector) {
  const domain::Box truth = {10, 10, 20, 20, 0, false, 0}, found = {10, 10, 20, 20, 0, false, 0.9};
  const auto accuracy = runtime_->Measure({{truth}, {truth}}, {{found}, {found}}, 2);
  ASSERT_TRUE(accuracy.ok()) << accuracy.status();
  EXPECT_EQ(accuracy->images, 2);
  EXPECT_EQ(accuracy->map50, 1);
  EXPECT_THAT(accuracy->classes, SizeIs(2));
  EXPECT_TRUE(std::isnan(runtime_->Measure({}, {}, 2)->map50));
  EXPECT_FALSE(runtime_->Measure({{truth}}, {}, 2).ok());
}

TEST_P(DetectorRuntimeTest, ExportsTheSameBytesForTheSameWeights) {
  const std::string weights = Weights();
  const auto read = [this](const std::string& name) {
    std::ifstream file(folder_ + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::map<std::string, std::string> metadata = {{"model", "pools/cats/models/1"}};
  const auto network = runtime_->Export(weights, metadata, folder_ + "/a");
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_THAT(*network, testing::HasSubstr("\"architecture\""));
  EXPECT_THAT(read("/a"), testing::HasSubstr("pools/cats/models/1"));
  EXPECT_EQ(*runtime_->Export(weights, metadata, folder_ + "/b"), *network);
  EXPECT_EQ(read("/a"), read("/b"));
  EXPECT_FALSE(runtime_->Export(folder_ + "/missing.pt", metadata, folder_ + "/c").ok());
  EXPECT_FALSE(runtime_->Export(weights, metadata, folder_ + "/missing/c").ok());
  EXPECT_FALSE(fs::exists(folder_ + "/c"));
}

}  // namespace
}  // namespace mgral
