#include "server/storage/state_names.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace mgral::storage {
namespace {

TEST(ReplaceStateNamesTest, ReplacesNamesByTheNumbersOfTheEnums) {
  EXPECT_EQ(ReplaceStateNames("SELECT 1"), "SELECT 1");
  EXPECT_EQ(ReplaceStateNames("WHERE state = {image.leased} AND use = {use.training}"),
            "WHERE state = 2 AND use = 1");
  EXPECT_EQ(ReplaceStateNames("{job.dead}"), "4");
  EXPECT_EQ(ReplaceStateNames("state IN ({cycle.queued}, {cycle.running})"), "state IN (1, 2)");
}

TEST(ReplaceStateNamesTest, LeavesEmptyArraysAlone) {
  EXPECT_EQ(ReplaceStateNames("coalesce(x, '{}') = {batch.expired}"), "coalesce(x, '{}') = 4");
}

TEST(ReplaceStateNamesTest, AnUnknownNameIsAMistake) {
  EXPECT_THROW(ReplaceStateNames("state = {image.annotated}"), std::logic_error);
  EXPECT_THROW(ReplaceStateNames("state = {leased}"), std::logic_error);
}

}  // namespace
}  // namespace mgral::storage
