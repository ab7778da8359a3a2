#include "server/base/file_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mgral::base {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    folder_ = (fs::temp_directory_path() / "mgral-watch-XXXXXX").string();
    if (mkdtemp(&folder_[0]) == nullptr) abort();
  }
  ~FileWatchTest() override { fs::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

TEST_F(FileWatchTest, TellsEachChangeOnce) {
  FileWatch watch({Write("a", "1"), Write("b", "2")});
  EXPECT_THAT(**watch.ReadChanged(), ElementsAre("1", "2"));
  EXPECT_FALSE(watch.ReadChanged().has_value());
  Write("b", "3");  // in the same instant, of the same length
  EXPECT_THAT(**watch.ReadChanged(), ElementsAre("1", "3"));
  fs::remove(folder_ + "/a");
  EXPECT_THAT(std::string(watch.ReadChanged()->status().message()), HasSubstr(folder_ + "/a: No"));
  EXPECT_FALSE(watch.ReadChanged().has_value());
  Write("a", "1");
  EXPECT_THAT(**watch.ReadChanged(), ElementsAre("1", "3"));
}

// As Kubernetes changes a secret: ..data points to another folder.
TEST_F(FileWatchTest, FollowsLinksThatAreSwapped) {
  fs::create_directory(folder_ + "/one");
  fs::create_directory(folder_ + "/two");
  Write("one/keys", "1");
  Write("two/keys", "2");
  fs::create_symlink("one", folder_ + "/data");
  fs::create_symlink("data/keys", folder_ + "/keys");
  FileWatch watch({folder_ + "/keys"});
  EXPECT_THAT(**watch.ReadChanged(), ElementsAre("1"));
  fs::create_symlink("two", folder_ + "/next");
  fs::rename(folder_ + "/next", folder_ + "/data");
  EXPECT_THAT(**watch.ReadChanged(), ElementsAre("2"));
}

TEST_F(FileWatchTest, RefusesWhatIsNoSmallFile) {
  EXPECT_THAT(std::string(ReadSmallFile(folder_).status().message()), HasSubstr("is no file"));
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(ReadSmallFile(pipe).ok());  // and does not wait for a writer
  EXPECT_TRUE(ReadSmallFile(Write("fits", std::string(1 << 20, 'x'))).ok());
  EXPECT_FALSE(ReadSmallFile(Write("long", std::string((1 << 20) + 1, 'x'))).ok());
}

}  // namespace
}  // namespace mgral::base
