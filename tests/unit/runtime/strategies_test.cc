// The service and core each name the strategies once; this compares the two.
#include "server/core/selector/strategies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/domain/strategy.h"

namespace mgral {
namespace {

TEST(StrategiesTest, CoreRanksEveryStrategyOfTheServiceAndNoOther) {
  std::vector<std::string> names;
  for (const domain::StrategyInfo& info : domain::Strategies()) names.push_back(info.name);
  EXPECT_THAT(core::StrategyNames(), testing::UnorderedElementsAreArray(names));
}

}  // namespace
}  // namespace mgral
