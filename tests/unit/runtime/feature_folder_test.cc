#include "server/runtime/feature_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/detector/network.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;
using Room = FeatureFolder::Room;

constexpr int64_t kPlenty = 1 << 30;

core::DetectorConfig SmallConfig() {
  core::DetectorConfig config;
  config.depth = 18;
  config.width = 0.125;
  config.input_size = 64;
  config.pyramid_channels = 8;
  config.frozen_trunk = true;
  return config;
}

class FeatureFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mgral_features_XXXXXX";
    folder_ = std::string(mkdtemp(name)) + "/features";
  }
  void TearDown() override { fs::remove_all(fs::path(folder_).parent_path()); }

  static core::ViewFeatures Made(double value) {
    return {at::full({4, 6, 3}, value, at::kHalf), at::full({2, 3, 5}, -value, at::kHalf)};
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(folder_)) return files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }
  static bool Same(const core::ViewFeatures& a, const core::ViewFeatures& b) {
    return a.size() == b.size() && at::equal(a[0], b[0]) && at::equal(a[1], b[1]);
  }

  std::string folder_;
  core::Detector detector_{SmallConfig(), 1};
};

TEST_F(FeatureFolderTest, KeepsFeaturesForTheNextProcess) {
  FeatureFolder(folder_, kPlenty, 0).Of(detector_, Room::kMake)->Keep("cat", "whole", Made(1.5));
  FeatureFolder again(folder_, kPlenty, 0);
  const auto cache = again.Of(detector_, Room::kMake);
  EXPECT_TRUE(Same(cache->Find("cat", "whole"), Made(1.5)));
  EXPECT_TRUE(cache->Find("cat", "mirror-whole").empty());
  EXPECT_TRUE(cache->Find("dog", "whole").empty());
}

TEST_F(FeatureFolderTest, AnotherTrunkOrInputSizeHasFeaturesOfItsOwn) {
  FeatureFolder features(folder_, kPlenty, kPlenty);
  features.Of(detector_, Room::kMake)->Keep("cat", "whole", Made(1));
  const core::Detector other(SmallConfig(), 2);
  EXPECT_TRUE(features.Of(other, Room::kMake)->Find("cat", "whole").empty());
  core::DetectorConfig larger = SmallConfig();
  larger.input_size = 96;
  const core::Detector large(larger, 1);
  EXPECT_TRUE(features.Of(large, Room::kMake)->Find("cat", "whole").empty());
  // Heads come and go; the trunk is the same.
  core::DetectorConfig more = SmallConfig();
  more.num_classes = 7;
  core::Detector trained(more, 3);
  std::map<std::string, at::Tensor> state = trained.net().State();
  for (const auto& [name, tensor] : detector_.net().State()) {
    if (name.rfind("backbone.body.", 0) == 0) state[name] = tensor;
  }
  trained.net().SetState(state);
  EXPECT_TRUE(Same(features.Of(trained, Room::kMake)->Find("cat", "whole"), Made(1)));
}

TEST_F(FeatureFolderTest, ADamagedFileIsAsIfItWereNotThere) {
  FeatureFolder features(folder_, kPlenty, 0);
  const auto cache = features.Of(detector_, Room::kMake);
  cache->Keep("cat", "whole", Made(1));
  const fs::path file = Files().at(0);
  const auto size = fs::file_size(file);
  for (uint64_t at = 0; at < size; at += 13) {
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(at).put('\x5a');
    EXPECT_TRUE(cache->Find("cat", "whole").empty()) << at;
    EXPECT_TRUE(Files().empty()) << at;
    cache->Keep("cat", "whole", Made(1));
  }
  for (uint64_t length : {uint64_t{0}, uint64_t{10}, uint64_t{60}, size - 1}) {
    fs::resize_file(file, length);
    EXPECT_TRUE(cache->Find("cat", "whole").empty()) << length;
    cache->Keep("cat", "whole", Made(1));
  }
  EXPECT_TRUE(Same(cache->Find("cat", "whole"), Made(1)));
}

TEST_F(FeatureFolderTest, TheOldestGoFirstWhenThereIsNoRoom) {
  FeatureFolder(folder_, kPlenty, 0).Of(detector_, Room::kMake)->Keep("0", "whole", Made(0));
  const int64_t one = static_cast<int64_t>(fs::file_size(Files().at(0)));
  FeatureFolder features(folder_, 4 * one, 0);
  const auto cache = features.Of(detector_, Room::kMake);
  const auto age = [&](int hours) {
    for (const fs::path& file : Files()) {
      fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(hours));
    }
  };
  for (int i = 1; i < 4; ++i) {
    age(10);
    cache->Keep(absl::StrCat(i), "whole", Made(i));
  }
  ASSERT_EQ(Files().size(), 4u);
  EXPECT_FALSE(cache->Find("0", "whole").empty());  // used: no longer the oldest
  cache->Keep("4", "whole", Made(4));
  EXPECT_LE(Files().size(), 4u);
  EXPECT_FALSE(cache->Find("0", "whole").empty());
  EXPECT_TRUE(cache->Find("1", "whole").empty());
  EXPECT_FALSE(cache->Find("4", "whole").empty());
}

TEST_F(FeatureFolderTest, OnePassOverThePoolDrivesNothingOut) {
  FeatureFolder(folder_, kPlenty, 0).Of(detector_, Room::kMake)->Keep("0", "whole", Made(0));
  const int64_t one = static_cast<int64_t>(fs::file_size(Files().at(0)));
  FeatureFolder features(folder_, 3 * one, 0);
  const auto pass = features.Of(detector_, Room::kLeave);
  for (int i = 1; i < 10; ++i) pass->Keep(absl::StrCat(i), "whole", Made(i));
  EXPECT_EQ(Files().size(), 3u);
  EXPECT_FALSE(pass->Find("0", "whole").empty());
  EXPECT_FALSE(pass->Find("2", "whole").empty());
}

TEST_F(FeatureFolderTest, WithoutBytesNothingIsWritten) {
  FeatureFolder none(folder_, 0, kPlenty);
  const auto cache = none.Of(detector_, Room::kMake);
  cache->Keep("cat", "whole", Made(1));
  EXPECT_TRUE(Files().empty());
  EXPECT_FALSE(cache->Find("cat", "whole").empty());  // in memory
}

TEST_F(FeatureFolderTest, AFolderThatCannotBeWrittenIsNoError) {
  std::ofstream(folder_) << "a file";
  FeatureFolder features(folder_, kPlenty, 0);
  const auto cache = features.Of(detector_, Room::kMake);
  cache->Keep("cat", "whole", Made(1));
  EXPECT_TRUE(cache->Find("cat", "whole").empty());
}

TEST_F(FeatureFolderTest, ManyThreadsMayKeepAndFind) {
  FeatureFolder features(folder_, 20000, 5000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto cache = features.Of(detector_, Room::kMake);
      for (int i = 0; i < 100; ++i) {
        cache->Keep(absl::StrCat(i % 10), "whole", Made(i % 10));
        const core::ViewFeatures found = cache->Find(absl::StrCat(i % 10), "whole");
        EXPECT_TRUE(found.empty() || Same(found, Made(i % 10)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace mgral::runtime
