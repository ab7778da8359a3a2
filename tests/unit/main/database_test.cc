#include "server/main/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace mgral::server {
namespace {

using ::testing::HasSubstr;

class UsePasswordFileTest : public testing::Test {
 protected:
  void SetUp() override { unsetenv("PGPASSWORD"); }
  void TearDown() override {
    unsetenv("PGPASSWORD");
    std::remove(path_.c_str());
  }
  absl::Status Use(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return UsePasswordFile(path_);
  }

  const std::string path_ = testing::TempDir() + "/password." + std::to_string(getpid());
};

TEST_F(UsePasswordFileTest, AFileThatIsNoPasswordIsNamed) {
  for (const std::string& content : {std::string(), std::string("\n"), std::string("a\0b\n", 4)}) {
    const absl::Status status = Use(content);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
  const absl::Status missing = UsePasswordFile("/nowhere/password");
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nowhere/password: No such file"));
  EXPECT_FALSE(UsePasswordFile(testing::TempDir()).ok()) << "a folder";
  EXPECT_EQ(getenv("PGPASSWORD"), nullptr);
}

TEST_F(UsePasswordFileTest, TheFirstLineIsThePassword) {
  for (const char* content : {"s3 cret", "s3 cret\n", "s3 cret\r\nnot this\n"}) {
    EXPECT_TRUE(Use(content).ok());
    EXPECT_STREQ(getenv("PGPASSWORD"), "s3 cret");
  }
  EXPECT_TRUE(UsePasswordFile("").ok());
}

}  // namespace
}  // namespace mgral::server
