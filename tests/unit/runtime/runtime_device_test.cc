// The runtime with its detectors on a GPU. Without CUDA in LibTorch a stand-in is linked in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "server/runtime/torch_runtime.h"
#include "tests/unit/runtime/fake_loader.h"
#ifdef MGRAL_STAND_IN_GPU
#include "tests/support/stand_in_gpu.h"
#endif

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;

int64_t Operators() {
#ifdef MGRAL_STAND_IN_GPU
  return test::StandInOperators();
#else
  static int64_t unknown = 0;
  return unknown += 1000;
#endif
}

class RuntimeDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mgral_runtime_device_XXXXXX";
    folder_ = mkdtemp(name);
    const auto device = TorchRuntime::ResolveDevice("auto");
    ASSERT_TRUE(device.ok()) << device.status();
#ifndef MGRAL_STAND_IN_GPU
    if (*device == "cpu") GTEST_SKIP() << "no GPU";
#endif
    EXPECT_EQ(*device, "cuda:0");
    gpu_ = std::make_unique<TorchRuntime>(RuntimeOptions{1, 64 << 20, "cuda"}, &loader_);
    cpu_ = std::make_unique<TorchRuntime>(RuntimeOptions{1, 64 << 20, "cpu"}, &loader_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::vector<domain::Example> Examples(int first, int last) {
    std::vector<domain::Example> examples;
    for (int i = first; i < last; ++i) examples.push_back(test::FakeLoader::Example(i));
    return examples;
  }
  domain::DetectorRuntime::TrainRequest TrainRequest() const {
    domain::DetectorRuntime::TrainRequest request;
    request.training = Examples(0, 8);
    request.validation = Examples(8, 12);
    request.detector.profile = "micro";
    request.detector.training_steps = 4;
    request.detector.input_size = 96;
    request.num_classes = 1;
    request.checkpoint_folder = folder_;
    request.seed = 3;
    return request;
  }

  std::string folder_;
  test::FakeLoader loader_;
  std::unique_ptr<TorchRuntime> gpu_, cpu_;
};

TEST_F(RuntimeDeviceTest, DoesTheDetectorsWorkOnTheGpu) {
  int64_t before = Operators();
  const auto expect_work = [&before](const char* what) {
    const int64_t now = Operators();
    EXPECT_GT(now - before, 100) << what;
    before = now;
  };
  const auto trained = gpu_->Train(TrainRequest(), nullptr);
  ASSERT_TRUE(trained.ok()) << trained.status();
  expect_work("training");

  const std::vector<domain::Image> images = {test::FakeLoader::Example(20).image,
                                             test::FakeLoader::Example(21).image};
  const auto embedded = gpu_->Embed(trained->weights_path, images, nullptr);
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  expect_work("embedding");
  const auto predicted = gpu_->Predict({}, trained->weights_path, images, {}, {0.001});
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  expect_work("predicting");
  domain::DetectorRuntime::ReplayRequest replay;
  replay.weights_path = trained->weights_path;
  replay.num_classes = 1;
  replay.labeled = Examples(0, 12);
  replay.validation = Examples(12, 16);
  replay.probes = 4;
  const auto replayed = gpu_->Replay(replay, nullptr);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  expect_work("replay");

  // The CPU reads the same weights and says the same.
  const auto same = cpu_->Embed(trained->weights_path, images, nullptr);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_THAT((*embedded)[1].embedding,
              testing::Pointwise(testing::FloatNear(1e-2f), (*same)[1].embedding));
  const auto boxes = cpu_->Predict({}, trained->weights_path, images, {}, {0.001});
  ASSERT_TRUE(boxes.ok()) << boxes.status();
  EXPECT_FALSE((*boxes)[0].boxes.empty());
  EXPECT_EQ((*boxes)[0].boxes.size(), (*predicted)[0].boxes.size());
  const auto response = cpu_->Replay(replay, nullptr);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(replayed->base.image_keys, response->base.image_keys);
  EXPECT_NEAR(replayed->base.probes.at(0).response.at(0),
              response->base.probes.at(0).response.at(0), 0.05);
}

}  // namespace
}  // namespace mgral::runtime
