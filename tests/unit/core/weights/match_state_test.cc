#include "server/core/weights/match_state.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/core/weights/tensor_names.h"
#include "tests/unit/core/error_of.h"

namespace mgral::core {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ErrorOf;

// A RetinaNet of torchvision's names with two anchors a position, in small; filled with `value`.
NamedTensors RetinaNetOf(int64_t classes, double value) {
  const std::map<std::string, std::vector<int64_t>> shapes = {
      {"backbone.body.conv1.weight", {4, 3, 3, 3}},
      {"backbone.body.bn1.running_var", {4}},
      {"backbone.body.layer1.0.conv1.weight", {4, 4, 3, 3}},
      {"backbone.fpn.inner_blocks.0.0.weight", {8, 4, 1, 1}},
      {"head.classification_head.conv.0.0.weight", {8, 8, 3, 3}},
      {"head.classification_head.conv.1.0.weight", {8, 8, 3, 3}},
      {"head.classification_head.cls_logits.weight", {2 * classes, 8, 3, 3}},
      {"head.classification_head.cls_logits.bias", {2 * classes}},
      {"head.regression_head.bbox_reg.weight", {8, 8, 3, 3}}};
  NamedTensors state;
  for (const auto& [name, shape] : shapes) state[name] = at::full(shape, value);
  state["backbone.body.bn1.num_batches_tracked"] = at::scalar_tensor(7, at::kLong);
  return state;
}

const char kLogits[] = "head.classification_head.cls_logits.weight";
const char kBias[] = "head.classification_head.cls_logits.bias";

NamedTensors WithPrefix(const NamedTensors& state, const std::string& prefix) {
  NamedTensors named;
  for (const auto& [name, tensor] : state) named[prefix + name] = tensor;
  return named;
}

// The trunk of `file` alone, as torchvision's classifiers call it.
NamedTensors Classifier(const NamedTensors& file) {
  const std::string body = "backbone.body.";
  NamedTensors trunk;
  for (const auto& [name, tensor] : file) {
    if (StartsWith(name, body)) trunk[name.substr(body.size())] = tensor;
  }
  trunk["fc.weight"] = at::zeros({1000, 4});
  trunk["fc.bias"] = at::zeros({1000});
  return trunk;
}

class MatchStateTest : public testing::Test {
 protected:
  StateMatch Match(const NamedTensors& file) {
    options_.num_classes = 3;
    options_.class_rows = FindClassRows(network_, 3, RetinaNetOf(4, 0));
    return MatchState(network_, file, options_);
  }
  std::string Refusal(const NamedTensors& file) {
    return ErrorOf([&] { Match(file); });
  }
  // Rows of the bias, one after another.
  std::vector<float> BiasOf(const StateMatch& match) {
    const at::Tensor bias = match.state.at(kBias).contiguous();
    return {bias.data_ptr<float>(), bias.data_ptr<float>() + bias.numel()};
  }

  NamedTensors network_ = RetinaNetOf(3, 0);
  MatchOptions options_;
};

TEST_F(MatchStateTest, TheSameNetworkIsTakenWhole) {
  const StateMatch match = Match(RetinaNetOf(3, 1));
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_THAT(match.unused, IsEmpty());
  EXPECT_EQ(match.taken, static_cast<int64_t>(network_.size()));
  EXPECT_EQ(match.file_classes, 3);
  EXPECT_TRUE(match.classes_taken);
  for (const auto& [name, tensor] : RetinaNetOf(3, 1)) {
    EXPECT_TRUE(at::equal(match.state.at(name), tensor)) << name;
  }
}

TEST_F(MatchStateTest, PrefixesOfWrappersAreNoObstacle) {
  for (const char* prefix : {"module.", "model.", "model.module.", "state_dict."}) {
    const StateMatch match = Match(WithPrefix(RetinaNetOf(3, 1), prefix));
    EXPECT_THAT(match.left, IsEmpty()) << prefix;
    EXPECT_THAT(match.unused, IsEmpty()) << prefix;
  }
}

TEST_F(MatchStateTest, NamesOfEarlierTorchvisionsAreKnown) {
  NamedTensors file = RetinaNetOf(3, 1);
  const std::pair<const char*, const char*> renamed[] = {
      {"backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.inner_blocks.0.weight"},
      {"head.classification_head.conv.0.0.weight", "head.classification_head.conv.0.weight"},
      {"head.classification_head.conv.1.0.weight", "head.classification_head.conv.2.weight"}};
  for (const auto& [now, before] : renamed) {
    auto tensor = file.extract(now);
    tensor.key() = before;
    file.insert(std::move(tensor));
  }
  file.at("head.classification_head.conv.2.weight").fill_(5);
  const StateMatch match = Match(file);
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_THAT(match.unused, IsEmpty());
  EXPECT_EQ(match.state.at("head.classification_head.conv.1.0.weight").mean().item<float>(), 5);
}

TEST_F(MatchStateTest, AClassifierGivesItsTrunk) {
  for (const char* prefix : {"", "module."}) {
    const StateMatch match = Match(WithPrefix(Classifier(RetinaNetOf(3, 1)), prefix));
    EXPECT_EQ(match.taken, 4);
    EXPECT_EQ(match.left.size(), network_.size() - 4);
    EXPECT_THAT(match.unused,
                ElementsAre(std::string(prefix) + "fc.bias", std::string(prefix) + "fc.weight"));
    EXPECT_EQ(match.file_classes, 0);
    EXPECT_FALSE(match.classes_taken);
    EXPECT_EQ(match.state.at("backbone.body.conv1.weight").mean().item<float>(), 1);
    EXPECT_EQ(match.state.at(kLogits).mean().item<float>(), 0);
  }
  NamedTensors file = Classifier(RetinaNetOf(3, 1));
  file.erase("bn1.num_batches_tracked");
  EXPECT_EQ(Match(file).taken, 3);
}

TEST_F(MatchStateTest, WithOtherClassesTheirRowsBeginAnew) {
  const StateMatch match = Match(RetinaNetOf(91, 1));
  EXPECT_EQ(match.file_classes, 91);
  EXPECT_FALSE(match.classes_taken);
  EXPECT_THAT(match.left, ElementsAre(kBias, kLogits));
  EXPECT_THAT(match.unused, ElementsAre(kBias, kLogits));
  EXPECT_THAT(BiasOf(match), testing::Each(0));
  EXPECT_EQ(match.state.at("head.regression_head.bbox_reg.weight").mean().item<float>(), 1);
}

TEST_F(MatchStateTest, ClassesGetTheRowsOfTheirLabels) {
  NamedTensors file = RetinaNetOf(5, 1);
  file.at(kBias).copy_(at::arange(10));  // of the first anchor 0 to 4, of the second 5 to 9
  options_.class_sources = {4, 0, 2};
  StateMatch match = Match(file);
  EXPECT_TRUE(match.classes_taken);
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_THAT(BiasOf(match), ElementsAre(4, 0, 2, 9, 5, 7));

  options_.class_sources = {4, -1, 2};
  match = Match(file);
  EXPECT_FALSE(match.classes_taken);
  EXPECT_THAT(match.left, ElementsAre(kBias, kLogits));
  EXPECT_THAT(match.unused, IsEmpty());
  EXPECT_THAT(BiasOf(match), ElementsAre(4, 0, 2, 9, 0, 7));

  options_.class_sources = {5, 0, 1};
  EXPECT_EQ(Refusal(file), "the file's labels are 0 to 4, not 5");
  options_.class_sources = {1, 0, 2};
  EXPECT_THAT(Refusal(Classifier(file)), HasSubstr("no class head"));
}

// As Faster R-CNN's: rows of background first, boxes of a class side by side.
TEST_F(MatchStateTest, BackgroundKeepsItsRows) {
  const auto state = [](int64_t classes) {
    return NamedTensors{
        {"backbone.body.conv1.weight", at::ones({4, 3, 3, 3})},
        {"roi_heads.box_predictor.cls_score.bias", at::arange(classes + 1, at::kFloat)},
        {"roi_heads.box_predictor.bbox_pred.bias", at::arange(4 * (classes + 1), at::kFloat)}};
  };
  const NamedTensors network = state(1);
  options_.num_classes = 1;
  options_.class_rows = FindClassRows(network, 1, state(2));
  options_.class_sources = {3};
  const StateMatch match = MatchState(network, state(3), options_);
  EXPECT_EQ(match.file_classes, 3);
  EXPECT_TRUE(
      at::equal(match.state.at("roi_heads.box_predictor.cls_score.bias"), at::tensor({0.f, 3.f})));
  EXPECT_TRUE(at::equal(match.state.at("roi_heads.box_predictor.bbox_pred.bias"),
                        at::tensor({0.f, 1.f, 2.f, 3.f, 12.f, 13.f, 14.f, 15.f})));
  options_.class_sources = {0};
  EXPECT_EQ(ErrorOf([&] { MatchState(network, state(3), options_); }),
            "the file's labels are 1 to 3, not 0");
}

TEST_F(MatchStateTest, APartIsTakenWholeOrNotAtAll) {
  NamedTensors file = RetinaNetOf(3, 1);
  file["head.classification_head.conv.2.0.weight"] = at::ones({8, 8, 3, 3});  // deeper
  StateMatch match = Match(file);
  EXPECT_EQ(match.left.size(), 4u);
  EXPECT_FALSE(match.classes_taken);
  EXPECT_EQ(match.state.at("head.classification_head.conv.0.0.weight").mean().item<float>(), 0);
  EXPECT_EQ(match.state.at("backbone.fpn.inner_blocks.0.0.weight").mean().item<float>(), 1);

  // With another number of anchors, the class rows would be those of other classes.
  file = RetinaNetOf(3, 1);
  file.at("head.regression_head.bbox_reg.weight") = at::ones({4, 8, 3, 3});
  match = Match(file);
  EXPECT_THAT(match.left, ElementsAre(kBias, kLogits, "head.regression_head.bbox_reg.weight"));
  EXPECT_EQ(match.file_classes, 0);
}

TEST_F(MatchStateTest, AnotherArchitectureIsRefusedNamingTheFirstTensor) {
  NamedTensors file = RetinaNetOf(3, 1);
  file.at("backbone.body.conv1.weight") = at::ones({64, 3, 7, 7});
  EXPECT_EQ(Refusal(file),
            "tensor \"backbone.body.conv1.weight\" is [64, 3, 7, 7] in the file and [4, 3, 3, 3] "
            "in the network: another architecture");
  file = RetinaNetOf(3, 1);
  file.erase("backbone.body.layer1.0.conv1.weight");
  EXPECT_EQ(Refusal(file),
            "tensor \"backbone.body.layer1.0.conv1.weight\" is [4, 4, 3, 3] in the network and not "
            "in the file: another architecture");
  // Every tensor of a shallow network is in a deep one.
  file = Classifier(RetinaNetOf(3, 1));
  file["layer1.1.conv1.weight"] = at::ones({4, 4, 3, 3});
  EXPECT_EQ(Refusal(file),
            "tensor \"backbone.body.layer1.1.conv1.weight\" is [4, 4, 3, 3] in the file and not in "
            "the network: another architecture");
  EXPECT_EQ(Refusal({{"encoder.weight", at::ones({1})}}),
            "no tensor of the file has a name of the network's, such as "
            "\"backbone.body.bn1.running_var\"; its first is \"encoder.weight\"");
  EXPECT_THAT(Refusal({{"head.regression_head.bbox_reg.weight", at::ones({8, 8, 3, 3})}}),
              HasSubstr("not in the file"));
}

TEST_F(MatchStateTest, AFixedTrunkMayBeLeftOutAndIsCompared) {
  for (const auto& [name, tensor] : network_) {
    if (StartsWith(name, "backbone.body.")) options_.fixed_trunk.insert(name);
  }
  NamedTensors file = RetinaNetOf(3, 1);
  EXPECT_THAT(Refusal(file), HasSubstr("differs from the trunk's: features of another trunk"));
  for (auto& [name, tensor] : file) {
    if (StartsWith(name, "backbone.body.")) tensor = network_.at(name).clone();
  }
  StateMatch match = Match(file);
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_THAT(Refusal(Classifier(file)), HasSubstr("nothing but the trunk fits"));

  NamedTensors heads;
  for (const auto& [name, tensor] : file) {
    if (!StartsWith(name, "backbone.body.")) heads[name] = tensor;
  }
  match = Match(heads);
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_EQ(match.state.at("backbone.body.conv1.weight").mean().item<float>(), 0);

  heads["backbone.body.stem.weight"] = at::ones({3});
  EXPECT_THAT(Refusal(heads), HasSubstr("features of another trunk"));
  EXPECT_THAT(Refusal({{"encoder.weight", at::ones({1})}}), HasSubstr("no tensor of the file"));
}

TEST_F(MatchStateTest, OfATrunkThatIsTrainedInPartTheRestIsCompared) {
  options_.fixed_trunk = {"backbone.body.conv1.weight", "backbone.body.bn1.running_var"};
  NamedTensors file = RetinaNetOf(3, 1);
  EXPECT_THAT(Refusal(file), HasSubstr("differs from the trunk's: features of another trunk"));
  for (const std::string& name : options_.fixed_trunk) file.at(name) = network_.at(name).clone();
  const StateMatch match = Match(file);
  EXPECT_THAT(match.left, IsEmpty());
  EXPECT_EQ(match.state.at("backbone.body.layer1.0.conv1.weight").mean().item<float>(), 1);
}

TEST_F(MatchStateTest, HalfPrecisionIsConvertedAndIntegersAreRefused) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    NamedTensors file = RetinaNetOf(3, 1);
    for (auto& [name, tensor] : file) {
      if (tensor.is_floating_point()) tensor = tensor.to(type);
    }
    const StateMatch match = Match(file);
    EXPECT_THAT(match.left, IsEmpty());
    EXPECT_EQ(match.state.at(kLogits).scalar_type(), at::kFloat);
  }
  for (const at::ScalarType type : {at::kLong, at::kChar, at::kBool}) {
    NamedTensors file = RetinaNetOf(3, 1);
    file.at("backbone.body.conv1.weight") = file.at("backbone.body.conv1.weight").to(type);
    EXPECT_THAT(Refusal(file), AllOf(HasSubstr("\"backbone.body.conv1.weight\" has elements"),
                                     HasSubstr("floating-point")));
  }
  NamedTensors file = RetinaNetOf(3, 1);
  file.at("backbone.body.bn1.num_batches_tracked") = at::ones({});
  EXPECT_THAT(Match(file).left, IsEmpty());
}

TEST_F(MatchStateTest, ValuesThatNoNetworkHasAreRefused) {
  NamedTensors file = RetinaNetOf(3, 1);
  file.at("backbone.body.bn1.running_var")[2] = -1;
  EXPECT_THAT(Refusal(file), HasSubstr("\"backbone.body.bn1.running_var\" holds a negative"));
  file = RetinaNetOf(3, 1);
  file.at(kBias) = file.at(kBias).to(at::kDouble) * 1e300;
  EXPECT_THAT(Refusal(file), HasSubstr("holds NaN or infinity"));
}

}  // namespace
}  // namespace mgral::core
