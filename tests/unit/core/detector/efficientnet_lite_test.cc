#include "server/core/detector/efficientnet_lite.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/preprocess.h"
#include "tests/unit/core/detector/made_efficientnet.h"

namespace mgral::core {
namespace {

using State = std::map<std::string, at::Tensor>;
using testing_support::FormulaValue;
using testing_support::MadeState;

std::vector<at::Tensor> FeaturesWith(const State& folded, const at::Tensor& image) {
  c10::NoGradGuard no_grad;
  EfficientNetLite network;
  for (auto& parameter : network->named_parameters()) {
    parameter.value().copy_(folded.at(parameter.key()));
  }
  // The golden image is what the first layer sees.
  return network->forward(NormalizeImage(image * 128 + 127.5).unsqueeze(0));
}

TEST(EfficientNetLite, FeaturesAreThoseOfItsDefinition) {
  const State folded = FoldedEfficientNetLite(MadeState().state);
  const auto features = FeaturesWith(folded, FormulaValue(0, {3, 64, 64}).to(at::kFloat));
  std::ifstream golden(std::string(MGRAL_TEST_FOLDER) + "/efficientnet_golden.txt");
  ASSERT_EQ(features.size(), 4u);
  for (const at::Tensor& level : features) {
    int64_t channels = 0, height = 0, width = 0;
    ASSERT_TRUE(golden >> channels >> height >> width);
    ASSERT_EQ(level.sizes(), at::IntArrayRef({1, channels, height, width}));
    const at::Tensor flat = level.contiguous().view(-1);
    const double size = flat.abs().max().item<double>();
    for (int64_t i = 0; i < flat.numel(); i += 97) {
      double expected = 0;
      ASSERT_TRUE(golden >> expected);
      EXPECT_NEAR(flat[i].item<double>(), expected, 1e-4 * size) << channels << " channels, " << i;
    }
  }
}

TEST(EfficientNetLite, EveryFoldedTensorHasItsPlaceAndShape) {
  const State folded = FoldedEfficientNetLite(MadeState().state);
  EfficientNetLite network;
  EXPECT_EQ(network->named_parameters().size(), folded.size());
  for (auto& parameter : network->named_parameters()) {
    const auto found = folded.find(parameter.key());
    ASSERT_NE(found, folded.end()) << parameter.key();
    EXPECT_EQ(found->second.sizes(), parameter.value().sizes()) << parameter.key();
  }
  EXPECT_THAT(network->channels(), testing::ElementsAre(24, 40, 112, 320));
}

TEST(EfficientNetLite, AMissingTensorIsNamed) {
  State state = MadeState().state;
  state.erase("_blocks.7._bn1.running_var");
  try {
    FoldedEfficientNetLite(state);
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("_blocks.7._bn1.running_var"));
  }
}

TEST(EfficientNetLite, IsChosenByNameInADetectorsConfiguration) {
  DetectorConfig config;
  config.trunk = Trunk::kEfficientNetLite0;
  EXPECT_THAT(ToString(config), testing::HasSubstr("trunk=efficientnet_lite0"));
  EXPECT_EQ(ParseDetectorConfig(ToString(config)).trunk, config.trunk);
  EXPECT_EQ(ToString(DetectorConfig()).rfind("depth=50 ", 0), 0u);   // as files of a ResNet say
  EXPECT_EQ(ParseDetectorConfig("depth=18").trunk, Trunk::kResNet);  // as files were before
  EXPECT_THROW(ParseDetectorConfig("trunk=alexnet"), std::invalid_argument);
}

}  // namespace
}  // namespace mgral::core
