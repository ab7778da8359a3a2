#include "server/storage/sql.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace mgral::storage {
namespace {

TEST(NumberStatesTest, ReplacesNamesByTheNumbersOfTheEnums) {
  EXPECT_EQ(NumberStates("SELECT 1"), "SELECT 1");
  EXPECT_EQ(NumberStates("WHERE state = {image.leased} AND use = {use.training}"),
            "WHERE state = 2 AND use = 1");
  EXPECT_EQ(NumberStates("{job.dead}"), "4");
  EXPECT_EQ(NumberStates("state IN ({cycle.queued}, {cycle.running})"), "state IN (1, 2)");
}

TEST(NumberStatesTest, LeavesEmptyArraysAlone) {
  EXPECT_EQ(NumberStates("coalesce(x, '{}') = {batch.expired}"), "coalesce(x, '{}') = 4");
}

TEST(NumberStatesTest, AnUnknownNameIsAMistake) {
  EXPECT_THROW(NumberStates("state = {image.annotated}"), std::logic_error);
  EXPECT_THROW(NumberStates("state = {leased}"), std::logic_error);
}

}  // namespace
}  // namespace mgral::storage
