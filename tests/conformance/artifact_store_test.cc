#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/storage/artifact_folder.h"
#include "server/storage/disk_artifact_store.h"

namespace mgral::test {
namespace {

namespace fs = std::filesystem;

class ArtifactStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/artifacts-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    ASSERT_TRUE(storage::DiskArtifactStore::Prepare(root_).ok());
    store_ = std::make_unique<storage::DiskArtifactStore>(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string WriteFile(const std::string& name, const std::string& content) {
    const std::string path = root_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  size_t Files(const std::string& folder) {
    size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/" + folder)) {
      files += entry.is_regular_file();
    }
    return files;
  }

  std::string root_;
  std::unique_ptr<domain::ArtifactStore> store_;
};

const std::string kHelloSha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

TEST_F(ArtifactStoreTest, WhatIsMissingIsLost) {
  for (const std::string& name :
       {std::string(), std::string("x"), std::string("../../etc/passwd"), std::string(64, '/'),
        std::string(64, 'A'), std::string(64, '0')}) {
    EXPECT_TRUE(absl::IsDataLoss(store_->Get(name).status())) << name;
    EXPECT_TRUE(absl::IsDataLoss(store_->PathOf(name).status())) << name;
  }
  EXPECT_TRUE(absl::IsNotFound(store_->PutFile(root_ + "/missing").status()));
}

TEST_F(ArtifactStoreTest, AnUploadHasNoNameAndIsReadWhileItLives) {
  auto upload = store_->NewUpload();
  ASSERT_TRUE(upload.ok()) << upload.status();
  ASSERT_TRUE((*upload)->Append("hel").ok());
  ASSERT_TRUE((*upload)->Append("").ok());
  ASSERT_TRUE((*upload)->Append("lo").ok());
  EXPECT_EQ(Files("objects") + Files("tmp") + Files("work"), 0u);
  std::ifstream file((*upload)->path(), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "hello");
  EXPECT_EQ((*upload)->Sha256(), kHelloSha256);
  const std::string path = (*upload)->path();
  upload->reset();
  std::ifstream gone(path, std::ios::binary);
  EXPECT_NE(std::string(std::istreambuf_iterator<char>(gone), {}), "hello");
  EXPECT_EQ(Files("objects"), 0u);
}

TEST_F(ArtifactStoreTest, FindsWhatWasChangedOnDisk) {
  const std::string sha256 = *store_->Put("hello");
  const std::string path = *store_->PathOf(sha256);
  for (const std::string content : {"jello", "hell", ""}) {
    std::ofstream(path) << content;
    for (const absl::Status& status :
         {store_->Get(sha256).status(), store_->PathOf(sha256).status()}) {
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
      EXPECT_NE(status.message().find(sha256), absl::string_view::npos) << status;
    }
  }
  ASSERT_TRUE(store_->Put("hello").ok());  // a truncated file is healed by the same content
  EXPECT_EQ(*store_->Get(sha256), "hello");
  EXPECT_EQ(*store_->PathOf(sha256), path);
}

// The time of the last change cannot be set, so this test waits for the file to grow old.
TEST_F(ArtifactStoreTest, FindsWhatWasChangedAfterItWasChecked) {
  const std::string sha256 = *store_->Put("hello");
  const std::string path = *store_->PathOf(sha256);
  absl::SleepFor(absl::Milliseconds(1100));
  EXPECT_EQ(*store_->PathOf(sha256), path);
  EXPECT_EQ(*store_->PathOf(sha256), path);
  std::ofstream(path) << "jello";
  EXPECT_TRUE(absl::IsDataLoss(store_->PathOf(sha256).status()));
  fs::remove(path);
  EXPECT_TRUE(absl::IsDataLoss(store_->PathOf(sha256).status()));
}

TEST_F(ArtifactStoreTest, StoresTheSameContentOnce) {
  EXPECT_EQ(*store_->Put("hello"), kHelloSha256);
  EXPECT_EQ(*store_->Put("hello"), kHelloSha256);
  EXPECT_EQ(*store_->PutFile(WriteFile("file", "hello")), kHelloSha256);
  EXPECT_EQ(*store_->Get(kHelloSha256), "hello");
  EXPECT_EQ(Files("objects"), 1u);
  EXPECT_EQ(Files("tmp"), 0u);
  EXPECT_FALSE(fs::exists(root_ + "/file"));  // taken over
}

TEST_F(ArtifactStoreTest, KeepsAnyBytes) {
  std::string bytes(3 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
  EXPECT_EQ(*store_->Get(*store_->Put(bytes)), bytes);
  EXPECT_EQ(*store_->Get(*store_->PutFile(WriteFile("big", bytes))), bytes);
  EXPECT_EQ(*store_->Get(*store_->Put("")), "");
}

TEST_F(ArtifactStoreTest, ManyMayPutTheSameAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 20; ++i) {
        const std::string content = "content " + std::to_string(i);
        const auto sha256 = store_->Put(content);
        ASSERT_TRUE(sha256.ok()) << sha256.status();
        EXPECT_EQ(*store_->Get(*sha256), content);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Files("objects"), 20u);
  EXPECT_EQ(Files("tmp"), 0u);
}

TEST_F(ArtifactStoreTest, TakesOverAFileOfAnotherFileSystem) {
  if (!fs::exists("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  char path[] = "/dev/shm/artifact-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "hello", 5), 5);
  close(fd);
  EXPECT_EQ(*store_->PutFile(path), kHelloSha256);
  EXPECT_EQ(*store_->Get(kHelloSha256), "hello");
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ArtifactStoreTest, WorkFoldersStayUntilRemoved) {
  for (const std::string name : {"", ".", "..", "a/b", "/etc", ".hidden"}) {
    EXPECT_FALSE(store_->WorkFolder(name).ok()) << name;
    EXPECT_FALSE(store_->RemoveWorkFolder(name).ok()) << name;
  }
  const std::string folder = *store_->WorkFolder("cycle-7_train.0");
  std::ofstream(folder + "/checkpoint") << "x";
  EXPECT_EQ(*store_->WorkFolder("cycle-7_train.0"), folder);
  EXPECT_TRUE(fs::exists(folder + "/checkpoint"));
  EXPECT_TRUE(store_->WorkFolders(absl::Hours(1))->empty());
  EXPECT_EQ(*store_->WorkFolders({}), std::vector<std::string>{"cycle-7_train.0"});
  EXPECT_TRUE(store_->RemoveWorkFolder("cycle-7_train.0").ok());
  EXPECT_TRUE(store_->RemoveWorkFolder("cycle-7_train.0").ok());
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_TRUE(store_->WorkFolders({})->empty());
}

TEST_F(ArtifactStoreTest, StoringAgainRepairsWhatWasChangedOnDisk) {
  const std::string path = *store_->PathOf(*store_->Put("hello"));
  std::ofstream(path, std::ios::binary) << "hxllo";
  ASSERT_TRUE(absl::IsDataLoss(store_->Get(kHelloSha256).status()));
  EXPECT_EQ(*store_->Put("hello"), kHelloSha256);
  EXPECT_EQ(*store_->Get(kHelloSha256), "hello");
}

// Prune may be run by root before the servers' own user has stored anything.
TEST_F(ArtifactStoreTest, TheLockBelongsToTheFoldersOwnerWhoeverMadeIt) {
  constexpr uid_t kOther = 65534;
  struct stat lock;
  ASSERT_EQ(stat((root_ + "/lock").c_str(), &lock), 0);
  EXPECT_EQ(lock.st_mode & 0777, 0664u);
  if (geteuid() != 0) GTEST_SKIP() << "only root can give the folder to another user";
  fs::remove(root_ + "/lock");
  ASSERT_EQ(chown(root_.c_str(), kOther, kOther), 0);
  const storage::StoredFile file{WriteFile("leftover", "x"), "leftover", 1, absl::Now()};
  ASSERT_TRUE(*storage::RemoveStoredFile(root_, file, absl::InfiniteFuture()));
  ASSERT_EQ(stat((root_ + "/lock").c_str(), &lock), 0);
  EXPECT_EQ(lock.st_uid, kOther);
  EXPECT_EQ(lock.st_gid, kOther);
  EXPECT_EQ(lock.st_mode & 0777, 0664u);
}

// Clients see them.
TEST_F(ArtifactStoreTest, ErrorsNameNoPath) {
  const std::string sha256 = *store_->Put("hello");
  const std::string path = *store_->PathOf(sha256);
  std::ofstream(path) << "jello";
  const std::string elsewhere = root_ + "/elsewhere", file = WriteFile("file", "x");
  storage::DiskArtifactStore broken(file);  // its folder is a file
  for (const absl::Status& status :
       {store_->Get(sha256).status(), store_->Get(std::string(64, '0')).status(),
        store_->PutFile(elsewhere).status(), broken.Put("x").status(),
        broken.WorkFolder("cycle-1").status()}) {
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.message().find(root_), absl::string_view::npos) << status;
  }
  fs::remove(path);
  fs::create_directory(path);
  const absl::Status status = store_->Get(sha256).status();
  EXPECT_NE(status.message().find(sha256), absl::string_view::npos) << status;
  EXPECT_EQ(status.message().find(root_), absl::string_view::npos) << status;
}

TEST_F(ArtifactStoreTest, SaysWhenItsFolderCannotBeMade) {
  const std::string file = WriteFile("file", "x");
  const absl::Status status = storage::DiskArtifactStore::Prepare(file + "/below");
  EXPECT_EQ(base::Reason(status), "ARTIFACT_DIR");
}

}  // namespace
}  // namespace mgral::test
