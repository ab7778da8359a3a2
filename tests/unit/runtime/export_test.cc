#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/network.h"
#include "server/core/weights/safetensors.h"
#include "server/runtime/torch_runtime.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ExportTest : public testing::Test {
 protected:
  ExportTest() {
    char name[] = "/tmp/mgral_export_XXXXXX";
    folder_ = mkdtemp(name);
    config_.depth = 18;
    config_.width = 0.125;
    config_.input_size = 96;
    config_.num_classes = 3;
    config_.pyramid_channels = 16;
    config_.head_convs = 1;
  }
  ~ExportTest() override { fs::remove_all(folder_); }

  json Export(const core::Detector& detector) {
    detector.Save(folder_ + "/weights.safetensors");
    const auto network = runtime_.Export(folder_ + "/weights.safetensors",
                                         {{"model", "pools/cats/models/1"}}, Exported());
    EXPECT_TRUE(network.ok()) << network.status();
    return network.ok() ? json::parse(*network) : json();
  }
  std::string Exported() const { return folder_ + "/model.safetensors"; }

  std::string folder_;
  core::DetectorConfig config_;
  test::FakeLoader loader_;
  TorchRuntime runtime_{RuntimeOptions{1, 0}, &loader_};
};

TEST_F(ExportTest, TensorsAreThoseOfTheNetworkByName) {
  const core::Detector detector(config_, 5);
  Export(detector);
  const core::Safetensors file = core::ReadSafetensors(Exported(), {});
  EXPECT_THAT(file.metadata, testing::ElementsAre(testing::Pair("model", "pools/cats/models/1")));
  const auto state = detector.net().State();
  ASSERT_EQ(file.tensors.size(), state.size());
  for (const auto& [name, tensor] : state) {
    const auto found = file.tensors.find(name);
    ASSERT_NE(found, file.tensors.end()) << name;
    EXPECT_EQ(found->second.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(found->second, tensor)) << name;
  }
  EXPECT_EQ(file.tensors.count("backbone.body.conv1.weight"), 1u);
}

TEST_F(ExportTest, TheDescriptionSaysWhatTheNetworkIs) {
  config_.min_level = 2;
  config_.max_level = 5;
  config_.anchor_scale = 3;
  config_.anchor_ratios = {0.5, 1};
  const json network = Export(core::Detector(config_, 5));
  EXPECT_EQ(network["architecture"]["type"], "retinanet");
  EXPECT_EQ(network["architecture"]["trunk"], "resnet");
  EXPECT_EQ(network["architecture"]["depth"], 18);
  EXPECT_EQ(network["architecture"]["width"], 0.125);
  EXPECT_EQ(network["architecture"]["num_classes"], 3);
  EXPECT_EQ(network["input"]["size"], 96);
  EXPECT_EQ(network["input"]["mean"], json({123.675, 116.28, 103.53}));
  EXPECT_EQ(network["input"]["std"], json({58.395, 57.12, 57.375}));
  ASSERT_EQ(network["anchors"]["levels"].size(), 4u);
  EXPECT_EQ(network["anchors"]["levels"][0],
            json({{"level", 2}, {"stride", 4}, {"base_size", 12.0}}));
  EXPECT_EQ(network["anchors"]["aspect_ratios"], json({0.5, 1.0}));
  EXPECT_EQ(network["postprocessing"]["min_score"], 0.05);
  EXPECT_EQ(network["postprocessing"]["nms_iou"], 0.5);
  EXPECT_EQ(network["postprocessing"]["max_detections"], 100);
}

TEST_F(ExportTest, ATrunkIsDescribedByItsName) {
  config_.trunk = core::Trunk::kEfficientNetLite0;
  const json network = Export(core::Detector(config_, 5));
  EXPECT_EQ(network["architecture"]["trunk"], "efficientnet_lite0");
  EXPECT_FALSE(network["architecture"].contains("depth"));
  EXPECT_FALSE(network["architecture"].contains("trunk_features"));
  config_.frozen_trunk = true;
  EXPECT_EQ(Export(core::Detector(config_, 5))["architecture"]["trunk_features"], "float16");
  EXPECT_EQ(network["architecture"]["trunk_mean"], 127.5);
  EXPECT_EQ(network["architecture"]["trunk_std"], 128.0);
}

// Clients see errors.
TEST_F(ExportTest, ErrorsNameFilesWithoutTheFolder) {
  std::ofstream(folder_ + "/weights.safetensors") << "no weights";
  const absl::Status damaged =
      runtime_.Export(folder_ + "/weights.safetensors", {}, Exported()).status();
  EXPECT_TRUE(absl::IsInternal(damaged)) << damaged;
  EXPECT_FALSE(absl::StrContains(damaged.message(), folder_)) << damaged;
  EXPECT_FALSE(fs::exists(Exported()));

  core::Detector(config_, 5).Save(folder_ + "/weights.safetensors");
  fs::create_symlink("/dev/full", Exported() + ".tmp");
  const absl::Status full =
      runtime_.Export(folder_ + "/weights.safetensors", {}, Exported()).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_FALSE(absl::StrContains(full.message(), folder_)) << full;
}

}  // namespace
}  // namespace mgral::runtime
