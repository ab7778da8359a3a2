#include "server/base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mgral::base {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    folder_ = (fs::temp_directory_path() / "mgral-files-XXXXXX").string();
    if (mkdtemp(&folder_[0]) == nullptr) abort();
  }
  ~FilesTest() override { fs::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string Read(const std::string& name) { return *ReadSmallFile(folder_ + "/" + name); }
  size_t Count() {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  std::string folder_;
};

TEST_F(FilesTest, ReplacesAFileInOneStep) {
  const std::string bytes("a\0b", 3);
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/ports", bytes).ok());
  EXPECT_EQ(Read("ports"), bytes);
  // A reader that has the file open keeps the old content.
  const Descriptor reader(open((folder_ + "/ports").c_str(), O_RDONLY));
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/ports", std::string(1 << 20, 'x')).ok());
  char old[8];
  EXPECT_EQ(read(reader.get(), old, sizeof(old)), 3);
  EXPECT_EQ(Read("ports"), std::string(1 << 20, 'x'));
  EXPECT_EQ(Count(), 1u);
}

TEST_F(FilesTest, AFailedWriteLeavesNothingBehind) {
  fs::create_directory(folder_ + "/taken");
  EXPECT_FALSE(WriteFileAtomically(folder_ + "/taken", "x").ok());
  EXPECT_TRUE(fs::is_directory(folder_ + "/taken"));
  EXPECT_EQ(Count(), 1u);
  EXPECT_TRUE(absl::IsNotFound(WriteFileAtomically(folder_ + "/missing/file", "x")));
}

TEST_F(FilesTest, AFullDiskIsResourceExhausted) {
  EXPECT_TRUE(absl::IsResourceExhausted(FileError(ENOSPC, "cannot write x")));
  EXPECT_TRUE(absl::IsResourceExhausted(FileError(EDQUOT, "cannot write x")));
  EXPECT_TRUE(absl::IsNotFound(FileError(ENOENT, "cannot open x")));
  EXPECT_EQ(FileError(EIO, "cannot open x").code(), absl::StatusCode::kInternal);
  if (!fs::exists("/dev/full")) return;
  const Descriptor full(open("/dev/full", O_WRONLY));
  EXPECT_TRUE(absl::IsResourceExhausted(WriteAll(full.get(), "x", "/dev/full")));
}

using FileWatchTest = FilesTest;

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

TEST_F(FilesTest, ReadsSmallRegularFilesOnly) {
  EXPECT_THAT(std::string(ReadSmallFile(folder_).status().message()),
              HasSubstr("is not a regular file"));
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(ReadSmallFile(pipe).ok());  // and does not wait for a writer
  EXPECT_TRUE(ReadSmallFile(Write("fits", std::string(1 << 20, 'x'))).ok());
  EXPECT_FALSE(ReadSmallFile(Write("long", std::string((1 << 20) + 1, 'x'))).ok());
}

}  // namespace
}  // namespace mgral::base
