#include "server/core/selector/strategies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/domain/strategy.h"

namespace mgral {
namespace {

TEST(StrategyTest, EveryStrategyOfTheServiceIsRankedByCoreAndNoOther) {
  std::vector<std::string> names;
  for (const domain::StrategyInfo& info : domain::Strategies()) names.push_back(info.name);
  EXPECT_THAT(core::StrategyNames(), testing::UnorderedElementsAreArray(names));
}

TEST(StrategyTest, EveryValueHasItsRow) {
  for (int value = 0; value <= static_cast<int>(domain::Strategy::kColdStart); ++value) {
    const auto strategy = static_cast<domain::Strategy>(value);
    EXPECT_EQ(domain::InfoOf(strategy).strategy, strategy);
    EXPECT_EQ(domain::StrategyNamed(domain::NameOf(strategy)), strategy);
  }
}

TEST(StrategyTest, UsersMayAskForThoseOfTheInterface) {
  EXPECT_EQ(domain::SelectableStrategies(),
            "mgral, lookup_greedy, random, entropy, margin, core_set");
  for (const char* name : {"mgral", "lookup_greedy", "random", "entropy", "margin", "core_set"}) {
    EXPECT_TRUE(domain::IsSelectableStrategy(name)) << name;
  }
  for (const char* name : {"", "cold_start", "mgral, random", "MGRAL"}) {
    EXPECT_FALSE(domain::IsSelectableStrategy(name)) << name;
  }
}

}  // namespace
}  // namespace mgral
