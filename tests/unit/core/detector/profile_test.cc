#include "server/core/detector/profile.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace mgral::core {
namespace {

TEST(Profiles, AreAllValid) {
  for (const std::string& name : ProfileNames()) {
    const DetectorProfile profile = MakeProfile(name, 3);
    EXPECT_NO_THROW(CheckConfig(profile.detector)) << name;
    EXPECT_NO_THROW(CheckConfig(profile.train)) << name;
    EXPECT_LT(profile.StepsFor(40), profile.StepsFor(160)) << name;
    EXPECT_GE(profile.StepsFor(0), 1) << name;
  }
}

TEST(Profiles, RecipesFollowTheOverridesAndTheLabels) {
  const DetectorProfile own = MakeRecipe("tiny", {}, 3, 100, 7);
  EXPECT_EQ(own.train.steps, MakeProfile("tiny", 3).train.steps);
  EXPECT_EQ(own.train.seed, 7u);
  EXPECT_EQ(MakeRecipe("tiny", {}, 3, 0, 7).train.steps, own.StepsFor(1));
  const DetectorProfile small = MakeRecipe("tiny", {8, 96}, 3, 100, 7);
  EXPECT_EQ(small.train.steps, 8);
  EXPECT_EQ(small.detector.input_size, 96);
  EXPECT_LE(small.train.warmup_steps, 4);
  EXPECT_THROW(MakeRecipe("tiny", {0, 100}, 3, 100, 7), std::invalid_argument);
  EXPECT_THROW(MakeRecipe("enormous", {}, 3, 100, 7), std::invalid_argument);
}

TEST(Profiles, ManyImagesOnAFrozenTrunkHaveFewerViewsEach) {
  const int64_t most = MakeProfile("frozen", 3).train.views;
  EXPECT_EQ(MakeRecipe("frozen", {}, 3, 20, 7).train.views, most);
  const DetectorProfile many = MakeRecipe("frozen", {}, 3, 600, 7);
  EXPECT_LT(many.train.views, most);
  EXPECT_EQ(MakeRecipe("frozen", {}, 3, 100000, 7).train.views, 2);
}

}  // namespace
}  // namespace mgral::core
