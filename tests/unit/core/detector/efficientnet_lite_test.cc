#include "server/core/detector/efficientnet_lite.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/detector/preprocess.h"

namespace mgral::core {
namespace {

using State = std::map<std::string, at::Tensor>;

// value() of efficientnet_golden.py.
at::Tensor Value(int64_t tensor, at::IntArrayRef shape, double scale = 1, double offset = 0) {
  int64_t count = 1;
  for (int64_t side : shape) count *= side;
  const at::Tensor index = at::arange(count, at::kDouble);
  const double step = 0.7 * static_cast<double>(1 + tensor % 5);
  return (offset + scale * at::sin(index * step + static_cast<double>(tensor))).view(shape);
}

// A state dict with the names and shapes of PyPI's, its values by formula.
class MadeState {
 public:
  MadeState() {
    Conv("_conv_stem", {32, 3, 3, 3});
    Norm("_bn0", 32);
    int block = 0;
    int64_t in = 32;
    const struct {
      int repeats;
      int64_t kernel, expansion, out;
    } stages[] = {{1, 3, 1, 16},  {2, 3, 6, 24},  {2, 5, 6, 40}, {3, 3, 6, 80},
                  {3, 5, 6, 112}, {4, 5, 6, 192}, {1, 3, 6, 320}};
    for (const auto& stage : stages) {
      for (int i = 0; i < stage.repeats; ++i, ++block, in = stage.out) {
        const std::string name = "_blocks." + std::to_string(block) + ".";
        const int64_t wide = in * stage.expansion;
        if (stage.expansion != 1) {
          Conv(name + "_expand_conv", {wide, in, 1, 1});
          Norm(name + "_bn0", wide);
        }
        Conv(name + "_depthwise_conv", {wide, 1, stage.kernel, stage.kernel});
        Norm(name + "_bn1", wide);
        Conv(name + "_project_conv", {stage.out, wide, 1, 1});
        Norm(name + "_bn2", stage.out);
      }
    }
  }

  State state;

 private:
  void Conv(const std::string& name, std::vector<int64_t> shape) {
    const double fan = static_cast<double>(shape[1] * shape[2] * shape[3]);
    state[name + ".weight"] = Value(++count_, shape, std::sqrt(3 / fan)).to(at::kFloat);
  }
  void Norm(const std::string& name, int64_t channels) {
    ++count_;
    state[name + ".weight"] = Value(count_, {channels}, 0.2, 1).to(at::kFloat);
    state[name + ".bias"] = Value(count_ + 1, {channels}, 0.3).to(at::kFloat);
    state[name + ".running_mean"] = Value(count_ + 2, {channels}, 0.1).to(at::kFloat);
    state[name + ".running_var"] = Value(count_ + 3, {channels}, 0.4, 1).to(at::kFloat);
  }

  int64_t count_ = 0;
};

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
  const auto features = FeaturesWith(folded, Value(0, {3, 64, 64}).to(at::kFloat));
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
