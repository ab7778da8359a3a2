// The same work on a GPU as on the CPU. Without CUDA in LibTorch a stand-in is linked in.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/torch.h>

#include <cstdio>
#include <string>

#include "server/core/detector/detector.h"
#include "server/core/detector/embed.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/train.h"
#include "server/core/weights/weights_file.h"
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
  config.max_level = 7;
  config.anchor_scale = 2;
  return config;
}

TrainConfig Short(int64_t steps) {
  TrainConfig config;
  config.steps = steps;
  config.batch_size = 4;
  config.shards = 2;
  config.learning_rate = 0.01;
  config.warmup_steps = 1;
  config.ema_decay = 0.9;
  config.class_balance = 0.5;
  config.seed = 5;
  return config;
}

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) {
#ifdef MGRAL_STAND_IN_GPU
      FAIL() << "the stand-in is not there";
#else
      GTEST_SKIP() << "no GPU";
#endif
    }
    at::set_num_threads(2);
    at::globalContext().setAllowTF32CuDNN(false);  // else a GPU computes with 10 bits
    std::remove(path_.c_str());
  }
  void TearDown() override { std::remove(path_.c_str()); }

  static Detector OnGpu(const Detector& detector) {
    Detector copy = detector.Clone();
    copy.MoveTo(DeviceNamed("cuda"));
    return copy;
  }
  static void ExpectSame(const Detector& cpu, const Detector& gpu, double tolerance) {
    const auto expected = cpu.net().State();
    for (const auto& [name, tensor] : gpu.net().State()) {
      ASSERT_TRUE(tensor.is_cuda()) << name;
      const at::Tensor difference =
          (tensor.cpu().to(at::kDouble) - expected.at(name).to(at::kDouble)).abs().max();
      EXPECT_LE(difference.item<double>(), tolerance) << name;
    }
  }

  const std::string path_ = testing::TempDir() + "/mgral_device_test";
  Shapes shapes_{8, 64, 1}, others_{6, 64, 2};
};

TEST_F(DeviceTest, IsChosenByItsName) {
  EXPECT_EQ(DeviceNamed("cpu"), c10::Device(c10::kCPU));
  EXPECT_EQ(DeviceNamed("cuda"), c10::Device(c10::kCUDA, 0));
  EXPECT_EQ(DeviceNamed("auto"), DeviceNamed("cuda:0"));
  for (const char* wrong :
       {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:0 ", "cuda:999"}) {
    EXPECT_THROW(DeviceNamed(wrong), std::invalid_argument) << wrong;
  }
  try {
    DeviceNamed("cuda:99");
    FAIL() << "there are not so many";
  } catch (const std::invalid_argument& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("device is cuda:99"));
  }
}

// What the tests below rely on.
TEST_F(DeviceTest, MixingDevicesThrows) {
  const at::Tensor here = at::arange(4), there = here.to(DeviceNamed("cuda"));
  EXPECT_THROW(at::index_select(there, 0, here), c10::Error);
  EXPECT_THROW(there + here, c10::Error);
  EXPECT_TRUE(torch::equal((there + there).cpu(), here + here));
}

TEST_F(DeviceTest, MovesThereAndBackAndIsClonedWhereItIs) {
  const Detector cpu(Small(), 1);
  Detector gpu = OnGpu(cpu);
  EXPECT_TRUE(gpu.device().is_cuda());
  EXPECT_TRUE(cpu.device().is_cpu());
  ExpectSame(cpu, gpu.Clone(), 0);
  gpu.Save(path_);
  const Detector loaded = Detector::Load(path_);
  EXPECT_TRUE(loaded.device().is_cpu());
  gpu.MoveTo(c10::kCPU);
  for (const auto& [name, tensor] : gpu.net().State()) {
    EXPECT_TRUE(torch::equal(tensor, cpu.net().State().at(name))) << name;
    EXPECT_TRUE(torch::equal(tensor, loaded.net().State().at(name))) << name;
  }
}

// One step to compare weights: rounding grows tenfold with each.
TEST_F(DeviceTest, TrainsAlike) {
  for (const BoxLoss loss : {BoxLoss::kSmoothL1, BoxLoss::kGeneralizedIou}) {
    TrainConfig config = Short(1);
    config.box_loss = loss;
    Detector cpu(Small(), 1), gpu = OnGpu(cpu);
    const TrainReport expected = Train(cpu, shapes_, config);
    const TrainReport report = Train(gpu, shapes_, config);
    EXPECT_NEAR(report.loss, expected.loss, 1e-5 * expected.loss);
    ExpectSame(cpu, gpu, 2e-4);
  }
}

TEST_F(DeviceTest, ACheckpointOfOneDeviceGoesOnOnTheOther) {
  Detector cpu(Small(), 1);
  const double loss = Train(cpu, shapes_, Short(4)).loss;
  for (const bool gpu_first : {true, false}) {
    Detector first(Small(), 1), second(Small(), 1);
    (gpu_first ? first : second).MoveTo(DeviceNamed("cuda"));
    const CheckpointConfig checkpoint{path_, 2};
    EXPECT_THROW(Train(first, shapes_, Short(4), checkpoint,
                       [](const TrainProgress& at) { return at.step < 2; }),
                 Canceled);
    for (const auto& [group, tensors] : ReadTensorFile(path_).groups) {
      for (const auto& [name, tensor] : tensors) EXPECT_TRUE(tensor.is_cpu()) << group << name;
    }
    const TrainReport report = Train(second, shapes_, Short(4), checkpoint);
    EXPECT_EQ(report.resumed_at, 2);
    EXPECT_NEAR(report.loss, loss, 1e-3 * loss);
    std::remove(path_.c_str());
  }
}

TEST_F(DeviceTest, PredictsEmbedsAndMeasuresAlike) {
  Detector cpu(Small(), 1);
  Train(cpu, shapes_, Short(20));
  const Detector gpu = OnGpu(cpu);
  std::vector<at::Tensor> images;
  for (const Sample& sample : others_.samples()) images.push_back(sample.image);
  PredictConfig config;
  config.batch_size = 4;
  const auto expected = Predict(cpu, images, config), found = Predict(gpu, images, config);
  ASSERT_EQ(found.size(), expected.size());
  size_t boxes = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].size(), expected[i].size());
    boxes += found[i].size();
    for (size_t j = 0; j < found[i].size(); ++j) {
      EXPECT_NEAR(found[i][j].score, expected[i][j].score, 1e-3);
    }
  }
  EXPECT_GT(boxes, 0u);
  const auto embedded = Embed(cpu, others_, config), same = Embed(gpu, others_, config);
  for (size_t i = 0; i < same.size(); ++i) {
    EXPECT_THAT(same[i].embedding,
                testing::Pointwise(testing::FloatNear(1e-3f), embedded[i].embedding));
    EXPECT_NEAR(same[i].disagreement, embedded[i].disagreement, 0.02);
    EXPECT_EQ(same[i].objects.size(), embedded[i].objects.size());
  }
}

}  // namespace
}  // namespace mgral::core
