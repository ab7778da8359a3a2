#include "server/core/detector/targets.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

// Two levels of square anchors, one per position: strides 8 and 16, sides 32 and 64, in a canvas of
// 128 x 128.
class AdaptiveTest : public testing::Test {
 protected:
  AdaptiveTest() {
    config_.assignment = Assignment::kAdaptive;
    const AnchorShape square{1, {1}};
    const at::Tensor fine = MakeAnchors({8, 32}, square, 128, 128);
    const at::Tensor coarse = MakeAnchors({16, 64}, square, 128, 128);
    anchors_ = at::cat({fine, coarse});
    levels_ = {fine.size(0), coarse.size(0)};
  }

  Targets Assign(const std::vector<float>& corners, std::vector<char> ignore = {}) {
    const int64_t n = static_cast<int64_t>(corners.size()) / 4;
    Sample labels;
    labels.boxes = at::tensor(corners).view({n, 4});
    labels.labels = at::arange(n, at::kLong);
    labels.ignore = at::zeros({n}, at::kBool);
    for (size_t i = 0; i < ignore.size(); ++i) labels.ignore[i] = ignore[i] != 0;
    return AssignTargets({labels}, anchors_, levels_, 4, config_);
  }

  // How many anchors of the fine level, then of the coarse one, are an object's.
  std::vector<int64_t> PerLevel(const Targets& targets) const {
    const int64_t fine = (targets.positives < levels_[0]).sum().item<int64_t>();
    return {fine, targets.positives.size(0) - fine};
  }

  TrainConfig config_;
  at::Tensor anchors_;
  std::vector<int64_t> levels_;
};

TEST_F(AdaptiveTest, AnObjectBelongsToTheLevelOfItsSize) {
  const Targets small = Assign({48, 48, 80, 80});  // 32 x 32 around (64, 64)
  EXPECT_GT(PerLevel(small)[0], 0);
  EXPECT_EQ(PerLevel(small)[1], 0);
  const Targets large = Assign({32, 32, 96, 96});  // 64 x 64
  EXPECT_GT(PerLevel(large)[1], 0);
}

TEST_F(AdaptiveTest, TheThresholdIsTheMeanAndOneDeviationOfTheCandidates) {
  // By hand for a box of 32 x 32 whose center is an anchor's. The nine nearest fine anchors lie at
  // offsets of 0 and 8: IoU 1, 768/1280 = 0.6 (four) and 576/1472 = 0.391 (four). The coarse ones,
  // at offsets of 0 and 16, contain it: 0.25 (nine). Mean 0.401, deviation 0.200.
  EXPECT_EQ(Assign({48, 48, 80, 80}).positives.size(0), 1);
  // Without the coarse level: mean 0.552, deviation 0.188, and the next best miss 0.739, too. With
  // a third level, whose anchors overlap it by 1/16, 27 candidates: mean 0.288, deviation 0.230,
  // and the four at 0.6 are above 0.518.
  anchors_ = at::cat({anchors_, MakeAnchors({32, 128}, AnchorShape{1, {1}}, 128, 128)});
  levels_.push_back(16);
  const Targets targets = Assign({48, 48, 80, 80});
  EXPECT_EQ(targets.positives.size(0), 5);
  EXPECT_NEAR(PairwiseIou(targets.box_anchors, targets.boxes).diagonal().min().item<double>(), 0.6,
              1e-6);
}

TEST_F(AdaptiveTest, AnObjectBetweenAllCentersStillHasAnAnchor) {
  const Targets targets = Assign({66, 66, 70, 70});
  EXPECT_EQ(targets.positives.size(0), 1);
  EXPECT_EQ(targets.classes.sum().item<double>(), 1);
}

TEST_F(AdaptiveTest, AnAnchorOfTwoObjectsBelongsToTheOneThatItOverlapsMore) {
  const Targets targets = Assign({48, 48, 80, 80, 44, 44, 92, 92});
  const at::Tensor overlap =
      PairwiseIou(targets.box_anchors,
                  at::tensor({48.f, 48.f, 80.f, 80.f, 44.f, 44.f, 92.f, 92.f}).view({2, 4}));
  for (int64_t i = 0; i < targets.positives.size(0); ++i) {
    const int64_t own = targets.box_labels[i].item<int64_t>();
    if (overlap[i][own].item<float>() >= overlap[i][1 - own].item<float>()) continue;
    // Only the other's threshold, which the anchor missed, may give it away.
    EXPECT_LT(overlap[i][1 - own].item<float>(), 0.6f);
  }
  EXPECT_TRUE((targets.box_labels == 0).any().item<bool>());
  EXPECT_TRUE((targets.box_labels == 1).any().item<bool>());
}

TEST_F(AdaptiveTest, IgnoredObjectsAreNeitherObjectsNorBackground) {
  const Targets targets = Assign({48, 48, 80, 80, 0, 0, 40, 40}, {0, 1});
  EXPECT_FALSE((targets.box_labels == 1).any().item<bool>());
  EXPECT_GT((targets.weights == 0).sum().item<int64_t>(), 0);
}

TEST_F(AdaptiveTest, FewerAnchorsThanCandidatesAreEnough) {
  anchors_ = at::tensor({0.f, 0.f, 32.f, 32.f}).view({1, 4});
  levels_ = {1, 0};
  EXPECT_EQ(Assign({8, 8, 24, 24}).positives.size(0), 1);
}

}  // namespace
}  // namespace mgral::core
