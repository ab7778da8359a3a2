#include "client/cpp/synth/synth.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <sstream>

#include "client/cpp/synth/render.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

class SynthTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() / ("mgral-synth-" + std::to_string(getpid()) + "-" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static std::string Bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  SynthOptions Options(const std::string& name, int images, uint64_t seed) {
    SynthOptions options;
    options.folder = (root_ / name).string();
    options.images = images;
    options.seed = seed;
    options.size = 96;
    return options;
  }

  fs::path root_;
};

TEST_F(SynthTest, RefusesNumbersOutOfRange) {
  SynthOptions options = Options("a", kLeastSynthImages - 1, 1);
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSynthDataset(options, nullptr).status()));
  options.images = 1000000000;
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSynthDataset(options, nullptr).status()));
  options.images = 20;
  options.size = 10;
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSynthDataset(options, nullptr).status()));
  options.size = 96;
  options.folder = "";
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSynthDataset(options, nullptr).status()));
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(SynthTest, SaysWhatCannotBeWritten) {
  fs::create_directories(root_);
  std::ofstream(root_ / "file") << "in the way";
  SynthOptions options = Options("file", 20, 1);
  const absl::Status status = WriteSynthDataset(options, nullptr).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("file"), absl::string_view::npos) << status;
}

TEST_F(SynthTest, SameSeedSameBytesOtherSeedOthers) {
  ASSERT_TRUE(WriteSynthDataset(Options("a", 24, 5), nullptr).ok());
  ASSERT_TRUE(WriteSynthDataset(Options("b", 24, 5), nullptr).ok());
  ASSERT_TRUE(WriteSynthDataset(Options("c", 24, 6), nullptr).ok());
  for (const char* file :
       {"annotations.json", "splits.json", "images/frame_00001.jpg", "images/frame_00024.jpg"}) {
    EXPECT_FALSE(Bytes(root_ / "a" / file).empty()) << file;
    EXPECT_EQ(Bytes(root_ / "a" / file), Bytes(root_ / "b" / file)) << file;
  }
  EXPECT_NE(Bytes(root_ / "a/images/frame_00001.jpg"), Bytes(root_ / "c/images/frame_00001.jpg"));
}

TEST_F(SynthTest, FilesAgreeWithEachOther) {
  SynthOptions options = Options("a", 60, 2);
  options.contact_sheet = (root_ / "sheet.jpg").string();
  int64_t last = 0;
  const absl::StatusOr<SynthSummary> summary =
      WriteSynthDataset(options, [&last](int64_t done) { last = done; });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(last, 60);
  EXPECT_FALSE(cv::imread((root_ / "sheet.jpg").string()).empty());
  const auto coco = nlohmann::json::parse(Bytes(root_ / "a/annotations.json"));
  std::set<std::string> names;
  for (const auto& image : coco["images"]) {
    names.insert(image["file_name"]);
    const cv::Mat picture =
        cv::imread((root_ / "a/images" / std::string(image["file_name"])).string());
    EXPECT_EQ(picture.cols, image["width"]);
    EXPECT_EQ(picture.rows, image["height"]);
  }
  EXPECT_EQ(names.size(), 60u);
  EXPECT_EQ(static_cast<int64_t>(coco["annotations"].size()), summary->boxes);
  std::set<std::string> split;
  const auto splits = nlohmann::json::parse(Bytes(root_ / "a/splits.json"));
  for (const char* part : {"train", "val", "test"}) {
    for (const auto& name : splits[part]) EXPECT_TRUE(split.insert(name).second) << name;
  }
  EXPECT_EQ(split, names);
}

TEST_F(SynthTest, BoxesAreInsideAndLargeEnough) {
  for (const Frame& frame : PlanFrames(150, 3)) {
    for (const RenderedBox& box : RenderScene(frame.scene, 64, frame.seed).boxes) {
      EXPECT_GE(box.x_min, 0);
      EXPECT_GE(box.y_min, 0);
      EXPECT_GE(box.width, 4);
      EXPECT_GE(box.height, 4);
      EXPECT_LE(box.x_min + box.width, 64);
      EXPECT_LE(box.y_min + box.height, 64);
    }
  }
}

TEST_F(SynthTest, ClassesHaveALongTail) {
  const std::vector<Frame> frames = PlanFrames(600, 1);
  ASSERT_EQ(frames.size(), 600u);
  std::vector<int> images(kSynthClasses, 0);
  int empty = 0;
  for (const Frame& frame : frames) {
    std::set<int> kinds;
    for (const SceneObject& object : frame.scene.objects) kinds.insert(object.kind);
    for (int kind : kinds) ++images[kind];
    empty += kinds.empty();
  }
  EXPECT_GT(images[kCrate], 200);
  for (int kind : {kStar, kRing, kGem}) {
    EXPECT_GE(images[kind], 18) << SynthClassNames()[kind];  // 3 %
    EXPECT_LE(images[kind], 60) << SynthClassNames()[kind];
  }
  EXPECT_GT(empty, 40);
  EXPECT_LT(empty, 180);
}

TEST_F(SynthTest, BurstsStayTogetherAndPartsGetTheirShare) {
  for (uint64_t seed : {1, 2, 3}) {
    const std::vector<Frame> frames = PlanFrames(600, seed);
    const SynthSplits splits = SplitFrames(frames, seed);
    EXPECT_EQ(splits.train.size() + splits.validation.size() + splits.test.size(), 600u);
    EXPECT_NEAR(splits.train.size(), 330, 20);
    EXPECT_NEAR(splits.validation.size(), 90, 20);
    std::map<int, int> part_of_group;
    std::map<int, std::set<int>> classes_of_part;
    int part = 0;
    for (const std::vector<int>* list : {&splits.train, &splits.validation, &splits.test}) {
      for (int position : *list) {
        const auto [it, is_new] = part_of_group.emplace(frames[position].near_dup_group, part);
        EXPECT_EQ(it->second, part);
        for (const SceneObject& object : frames[position].scene.objects) {
          classes_of_part[part].insert(object.kind);
        }
      }
      EXPECT_EQ(classes_of_part[part].size(), static_cast<size_t>(kSynthClasses)) << part;
      ++part;
    }
    EXPECT_LT(part_of_group.size(), 450u);  // there are bursts
  }
}

}  // namespace
}  // namespace mgral::client
