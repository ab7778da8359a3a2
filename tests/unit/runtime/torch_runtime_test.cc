#include "server/runtime/torch_runtime.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "absl/strings/match.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;

class TorchRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mgral_runtime_XXXXXX";
    folder_ = mkdtemp(name);
    for (int i = 0; i < 8; ++i) request_.training.push_back(test::FakeLoader::Example(i));
    for (int i = 8; i < 12; ++i) request_.validation.push_back(test::FakeLoader::Example(i));
    request_.detector.profile = "micro";
    request_.detector.training_steps = 12;
    request_.detector.input_size = 96;
    request_.num_classes = 1;
    request_.checkpoint_folder = NewFolder("train");
    request_.seed = 3;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string NewFolder(const std::string& name) {
    fs::create_directories(folder_ + "/" + name);
    return folder_ + "/" + name;
  }
  std::vector<domain::Image> Images(int count) {
    std::vector<domain::Image> images;
    for (int i = 0; i < count; ++i) images.push_back(test::FakeLoader::Example(20 + i).image);
    return images;
  }

  static double ResumedAt(const domain::DetectorRuntime::TrainResult& result) {
    for (const auto& [name, value] : result.metrics) {
      if (name == "resumed_at") return value;
    }
    return -1;
  }

  std::string folder_;
  test::FakeLoader loader_;
  TorchRuntime runtime_{RuntimeOptions{1, 64 << 20}, &loader_};
  domain::DetectorRuntime::TrainRequest request_;
};

TEST_F(TorchRuntimeTest, KnowsItsProfiles) {
  EXPECT_TRUE(runtime_.Profile({"tiny"}).ok());
  const absl::Status status = runtime_.Profile({"enormous"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::FieldViolations(status).at(0).field, "detector.profile");
}

TEST_F(TorchRuntimeTest, ATrunkIsForProfilesOfThatArchitecture) {
  const auto problem = [&](const std::string& profile, const std::string& trunk, int input_size) {
    domain::DetectorSettings settings;
    settings.profile = profile;
    settings.trunk = trunk;
    settings.input_size = input_size;
    const auto found = base::FieldViolations(runtime_.Profile(settings).status());
    return found.empty() ? "" : found[0].field + " " + found[0].description;
  };
  for (const char* trunk :
       {"", "resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "vgg16"}) {
    EXPECT_EQ(problem("full", trunk, 0), "");
    EXPECT_EQ(problem("faster-rcnn", trunk, 480), "");
  }
  EXPECT_EQ(problem("full", "resnet", 0),
            "detector.trunk is unknown: use one of resnet18, resnet34, resnet50, resnet101, "
            "mobilenet_v3_large, vgg16");
  for (const char* profile : {"ssd300", "tiny"}) {
    EXPECT_EQ(problem(profile, "resnet18", 0), "detector.trunk cannot be chosen with this profile");
  }
  EXPECT_EQ(problem("ssd300", "", 320), "detector.input_size must be 300 for ssd300");
}

TEST_F(TorchRuntimeTest, RefusesADeviceThatIsNotThere) {
  EXPECT_EQ(*TorchRuntime::ResolveDevice("cpu"), "cpu");
  for (const char* wrong : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1x", "cuda:99", "cpu:0"}) {
    const absl::Status status = TorchRuntime::ResolveDevice(wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_NE(status.message().find("device "), std::string::npos) << status;
  }
  const bool has_gpu = *TorchRuntime::ResolveDevice("auto") != "cpu";
  EXPECT_EQ(TorchRuntime::ResolveDevice("cuda").ok(), has_gpu);
}

TEST_F(TorchRuntimeTest, AnInterruptedTrainingEndsLikeAnUninterruptedOne) {
  const auto straight = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(straight.ok()) << straight.status();
  EXPECT_EQ(straight->validation.images, 4);
  EXPECT_EQ(straight->validation.classes.at(0).ground_truth_boxes, 4);

  request_.checkpoint_folder = NewFolder("interrupted");
  const auto stopped = runtime_.Train(request_, [](double fraction) { return fraction < 0.55; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  const auto resumed = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_GT(ResumedAt(*resumed), 0);
  const auto a = runtime_.Embed(straight->weights_path, Images(2), nullptr);
  const auto b = runtime_.Embed(resumed->weights_path, Images(2), nullptr);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ((*a)[1].embedding, (*b)[1].embedding);
}

TEST_F(TorchRuntimeTest, ACheckpointThatDoesNotFitIsDroppedAndTrainingBeginsAnew) {
  EXPECT_FALSE(runtime_.Train(request_, [](double fraction) { return fraction < 0.55; }).ok());
  request_.training.pop_back();
  EXPECT_TRUE(runtime_.Train(request_, nullptr).ok());
}

TEST_F(TorchRuntimeTest, WhatIsPreparedIsNotDecodedAgain) {
  for (const auto* examples : {&request_.training, &request_.validation}) {
    for (const domain::Example& example : *examples) {
      ASSERT_TRUE(runtime_.Prepare({}, request_.detector, example.image.source).ok());
    }
  }
  EXPECT_EQ(loader_.loads, 12);
  ASSERT_TRUE(runtime_.Train(request_, nullptr).ok());
  EXPECT_EQ(loader_.loads, 12);
}

// Reads nothing while `away`.
class LeavingLoader : public test::FakeLoader {
 public:
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext& call,
                                      const domain::ImageSource& source, int max_side) override {
    if (away) return base::Unavailable("HTTP status 503", absl::Seconds(1));
    return FakeLoader::Load(call, source, max_side);
  }
  std::atomic<bool> away{false};
};

TEST_F(TorchRuntimeTest, AnImageThatIsAwayDuringTrainingMayComeBackAndTheCheckpointStays) {
  LeavingLoader loader;
  TorchRuntime runtime(RuntimeOptions{1, 0}, &loader);  // no cache: images are read again
  const auto away = runtime.Train(request_, [&](double fraction) {
    loader.away = fraction > 0.55;
    return true;
  });
  EXPECT_TRUE(absl::IsUnavailable(away.status())) << away.status();
  // The next attempt, too, finds it away: what was trained so far is not thrown away for that.
  EXPECT_TRUE(absl::IsUnavailable(runtime.Train(request_, nullptr).status()));
  loader.away = false;
  const auto resumed = runtime.Train(request_, nullptr);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_GT(ResumedAt(*resumed), 0);
}

TEST_F(TorchRuntimeTest, AFullDiskIsResourceExhaustedAndTheCheckpointStays) {
  EXPECT_FALSE(runtime_.Train(request_, [](double fraction) { return fraction < 0.55; }).ok());
  for (const std::string file : {"checkpoint.pt", "weights.safetensors"}) {
    // Writing it fails for want of space, and takes the link away.
    fs::create_symlink("/dev/full", request_.checkpoint_folder + "/" + file + ".tmp");
    const absl::Status full = runtime_.Train(request_, nullptr).status();
    EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
    EXPECT_EQ(full.message(),
              "the disk is full: cannot write " + file + ": No space left on device");
    EXPECT_GT(base::RetryAfter(full), absl::ZeroDuration());
  }
  const auto resumed = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_GT(ResumedAt(*resumed), 0);
}

TEST_F(TorchRuntimeTest, EmbedReportsWhatCannotBeDecodedAndGoesOn) {
  request_.training.clear();  // cold start
  const auto model = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<domain::Image> images = Images(3);
  images[1].source.location = "bad";
  const auto signals = runtime_.Embed(model->weights_path, images, nullptr);
  ASSERT_TRUE(signals.ok()) << signals.status();
  EXPECT_EQ((*signals)[1].error, "source.path: is no image");
  EXPECT_TRUE((*signals)[1].embedding.empty());
  EXPECT_EQ((*signals)[2].image_key, images[2].key);
  EXPECT_EQ((*signals)[2].expected_objects.size(), 1u);
  EXPECT_LE((*signals)[2].embedding.size(), 128u);
  images[1].source.location = "away";
  EXPECT_EQ(runtime_.Embed(model->weights_path, images, nullptr).status().code(),
            absl::StatusCode::kUnavailable);
  images[1].source.location = "gone";
  EXPECT_EQ(domain::FaultOf(runtime_.Embed(model->weights_path, images, nullptr).status()),
            domain::ImageFault::kMissing);
  EXPECT_TRUE(runtime_.Embed(model->weights_path, {}, nullptr)->empty());
}

// Clients see errors.
TEST_F(TorchRuntimeTest, ErrorsNameFilesWithoutTheFolder) {
  const auto model = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  request_.checkpoint_folder = folder_ + "/missing";
  const std::string damaged = folder_ + "/damaged";
  std::ofstream(damaged) << "no weights";
  for (const absl::Status& status :
       {runtime_.Train(request_, nullptr).status(),
        runtime_.Embed(folder_ + "/none.pt", Images(1), nullptr).status(),
        runtime_.Embed(damaged, Images(1), nullptr).status()}) {
    EXPECT_TRUE(absl::IsInternal(status)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), folder_)) << status;
  }
  const std::string message(
      runtime_.Embed(folder_ + "/none.pt", Images(1), nullptr).status().message());
  EXPECT_EQ(message, "cannot read none.pt: No such file or directory");
}

TEST_F(TorchRuntimeTest, PredictAnswersWhileTheDeviceTrains) {
  const auto model = runtime_.Train(request_, nullptr);
  ASSERT_TRUE(model.ok());
  request_.checkpoint_folder = NewFolder("second");
  std::promise<void> predicted;
  std::shared_future<void> done = predicted.get_future().share();
  auto training = std::async(std::launch::async, [&] {
    return runtime_.Train(request_, [&](double) {
      // The device is busy until the prediction is there.
      return done.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
    });
  });
  std::vector<domain::Image> images(3);
  images[0].source.location = "120x90:1";
  images[1].source.location = "bad";
  images[0].source.oriented = images[2].source.oriented = true;
  const auto found = runtime_.Predict({}, model->weights_path, images, {"", "", "60x45:2"}, {0.01});
  predicted.set_value();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)[0].width, 120);
  EXPECT_NE((*found)[1].error, "");
  EXPECT_EQ((*found)[2].height, 45);
  EXPECT_EQ(loader_.oriented, 2);
  for (const domain::Box& box : (*found)[0].boxes) {
    EXPECT_GE(box.x_min, 0);
    EXPECT_LE(box.x_min + box.width, 120 + 1e-6);
    EXPECT_GE(box.score, 0.01);
  }
  EXPECT_TRUE(training.get().ok());
}

TEST_F(TorchRuntimeTest, WrongArgumentsAreStatuses) {
  EXPECT_FALSE(runtime_.Embed(folder_ + "/missing.pt", Images(1), nullptr).ok());
  EXPECT_FALSE(runtime_.Predict({}, folder_ + "/missing.pt", Images(1), {}, {0.1}).ok());
  EXPECT_EQ(runtime_.EstimateGain("no table", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  domain::SelectionRuntime::RankRequest rank;
  rank.candidates.resize(1);
  EXPECT_EQ(runtime_.Rank(rank, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  request_.detector.input_size = 97;
  EXPECT_EQ(runtime_.Train(request_, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mgral::runtime
