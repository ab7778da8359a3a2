#include "server/rpc/resource_names.h"

#include <gtest/gtest.h>

#include "server/base/errors.h"

namespace mgral::rpc {
namespace {

TEST(ResourceNamesTest, RoundTrips) {
  EXPECT_EQ(*ParsePoolName(PoolName("cats"), "parent"), "cats");
  const auto batch = ParseChildName(ChildName("cats", "batches", "7"), "batches", "name");
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->pool_id, "cats");
  EXPECT_EQ(batch->id, "7");
  EXPECT_EQ(ModelName("cats", 3), "pools/cats/models/3");
}

TEST(ResourceNamesTest, AnImageIdMayHoldNearlyAnything) {
  const auto image = ParseChildName("pools/cats/images/a b..\xc3\xa9", "images", "name");
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->id, "a b..\xc3\xa9");
}

TEST(ResourceNamesTest, OtherFormsAreRefusedOnTheirField) {
  for (const std::string& name :
       {std::string(), std::string("cats"), std::string("pools/"), std::string("pools//"),
        std::string("Pools/cats"), std::string("pools/cats/"), std::string("pools/cats/batches/1"),
        std::string("pools/\n"), "pools/" + std::string(600, 'a')}) {
    const auto parsed = ParsePoolName(name, "parent");
    ASSERT_TRUE(absl::IsInvalidArgument(parsed.status())) << name;
    EXPECT_EQ(base::FieldViolations(parsed.status())[0].field, "parent");
  }
  for (const char* name : {"pools/cats/batches/", "pools//batches/1", "pools/cats/cycles/1",
                           "pools/cats/batches/1/2", "pools/cats"}) {
    EXPECT_FALSE(ParseChildName(name, "batches", "name").ok()) << name;
  }
}

TEST(ResourceNamesTest, ModelVersionsAreNumbers) {
  EXPECT_EQ(*ParseModelVersion({"cats", "12"}), 12);
  for (const char* id : {"0", "-1", "01", "1a", "", "99999999999999999999"}) {
    EXPECT_TRUE(absl::IsNotFound(ParseModelVersion({"cats", id}).status())) << id;
  }
}

}  // namespace
}  // namespace mgral::rpc
