#include "server/domain/strategy.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace mgral::domain {
namespace {

TEST(StrategyTest, EveryRowIsFoundByItsValueAndByItsName) {
  std::set<std::string> names;
  for (const StrategyInfo& info : Strategies()) {
    EXPECT_EQ(&InfoOf(info.strategy), &info);
    EXPECT_EQ(StrategyNamed(info.name), info.strategy);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    for (const std::string color : {info.color, info.dark_color}) {
      EXPECT_EQ(color.size(), 7u) << info.name;
    }
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Strategy::kCount));
  EXPECT_EQ(StrategyNamed(""), std::nullopt);
  EXPECT_EQ(StrategyNamed("MGRAL"), std::nullopt);
}

TEST(StrategyTest, UsersMayAskForThoseOfTheInterface) {
  EXPECT_EQ(SelectableStrategies(),
            "mgral, lookup_greedy, random, random_deduplicated, entropy, margin, core_set, "
            "max_herding, badge, ppal, class_balanced, lookup_shuffled");
  for (const char* name :
       {"mgral", "lookup_greedy", "random", "random_deduplicated", "entropy", "margin", "core_set",
        "max_herding", "badge", "ppal", "class_balanced", "lookup_shuffled"}) {
    EXPECT_TRUE(IsSelectableStrategy(name)) << name;
  }
  for (const char* name : {"", "cold_start", "mgral, random", "MGRAL"}) {
    EXPECT_FALSE(IsSelectableStrategy(name)) << name;
  }
}

}  // namespace
}  // namespace mgral::domain
