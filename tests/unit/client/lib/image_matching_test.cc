#include "client/cpp/lib/image_matching.h"

#include <string>
#include <vector>

#include "client/cpp/lib/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ImageMatcher, FindsByPathThenByAUniqueBaseName) {
  const ImageMatcher matcher({"a.jpg", "day1:b.jpg", "left:c.jpg", "right:c.jpg"});
  const auto expect = [&matcher](const char* name, int position, MatchedBy by) {
    const ImageMatcher::Match match = matcher.Find(name);
    EXPECT_EQ(match.position, position) << name;
    EXPECT_EQ(match.by, by) << name;
  };
  expect("a.jpg", 0, MatchedBy::kPath);
  expect("day1/b.jpg", 1, MatchedBy::kPath);
  expect("day1\\b.jpg", 1, MatchedBy::kPath);
  expect("/data/left/c.jpg", 2, MatchedBy::kPathSuffix);
  expect("../../upload/1/b.jpg", 1, MatchedBy::kBaseName);
  expect("../../upload/1/f5e0cb5c-b.jpg", 1, MatchedBy::kUnprefixedBaseName);
  expect("up/c.jpg", -1, MatchedBy::kAmbiguous);
  expect("up/f5e0cb5c-c.jpg", -1, MatchedBy::kAmbiguous);
  for (const char* name : {"", "/", "up/", "z.jpg", "F5E0CB5C-b.jpg", "f5e0cb5-b.jpg", "f5e0cb5c-",
                           "xf5e0cb5c-b.jpg"}) {
    expect(name, -1, MatchedBy::kNothing);
  }
}

class MatchImagesTest : public testing::Test {
 protected:
  // A dataset of these files; an entry "NAME=ID" carries that id.
  std::string Write(const std::vector<std::string>& names) {
    json document = {
        {"categories", json::array()}, {"annotations", json::array()}, {"images", json::array()}};
    for (const std::string& name : names) {
      const size_t equals = name.find('=');
      document["images"].push_back({{"id", name}, {"file_name", name.substr(0, equals)}});
      if (equals != std::string::npos) {
        document["images"].back()["mgral_image_id"] = name.substr(equals + 1);
      }
    }
    return folder_.Write("annotations.json", document.dump());
  }

  std::vector<std::string> Match(const std::vector<std::string>& names,
                                 const std::vector<std::string>& image_ids) {
    ReadOptions options;
    options.require_files = false;
    options.any_file_name = true;
    absl::StatusOr<Dataset> dataset = ReadCoco(Write(names), folder_.path("images"), options);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    if (!dataset.ok()) return {};
    MatchImages(image_ids, &*dataset);
    counts_ = CountMatches(*dataset);
    std::vector<std::string> found;
    for (const DatasetImage& image : dataset->images) found.push_back(image.image_id);
    return found;
  }
  absl::StatusOr<Dataset> ReadFiles(const std::vector<std::string>& names) {
    return ReadCoco(Write(names), folder_.path("images"));
  }

  TemporaryFolder folder_;
  MatchCounts counts_;
};

TEST_F(MatchImagesTest, OfSeveralEntriesForOneImageThePathWinsAndEqualsLose) {
  EXPECT_THAT(Match({"x/a.jpg", "a.jpg", "x/b.jpg", "y/b.jpg"}, {"a.jpg", "b.jpg"}),
              ElementsAre("", "a.jpg", "", ""));
  EXPECT_EQ(Describe(counts_), "1 by path, 2 ambiguous, 1 not found");
}

TEST_F(MatchImagesTest, AnIdThatTheFileCarriesWinsOverItsName) {
  EXPECT_THAT(
      Match({"cam1/7.jpg=cam1::7.jpg", "other.jpg=cam1:7.jpg"}, {"cam1:7.jpg", "cam1::7.jpg"}),
      ElementsAre("cam1::7.jpg", "cam1:7.jpg"));
  EXPECT_EQ(Describe(counts_), "2 by image id");
}

TEST_F(MatchImagesTest, IdsThatCannotBeAreRefused) {
  for (const std::string& id :
       {std::string(), std::string("a/b"), std::string(257, 'a'), std::string("a\n")}) {
    ReadOptions options;
    options.require_files = false;
    const auto dataset = ReadCoco(Write({"a.jpg=" + id}), folder_.path("images"), options);
    ASSERT_FALSE(dataset.ok()) << id;
    EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("images[0]"));
  }
}

TEST_F(MatchImagesTest, FilesAreFoundByBaseNameBelowTheFolderAndNowhereElse) {
  folder_.Write("images/a.jpg", "x");
  folder_.Write("images/deep/b.jpg", "x");
  folder_.Write("secret.jpg", "x");
  auto dataset = ReadFiles({"a.jpg", "../../upload/1/f5e0cb5c-b.jpg"});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->images[1].image_id, "deep:b.jpg");
  EXPECT_EQ(dataset->images[1].path, folder_.path("images/deep/b.jpg"));
  EXPECT_THAT(dataset->notes,
              ElementsAre(HasSubstr("1 by path, 1 by base name without its upload prefix")));
  const auto splits = ReadSplits(
      folder_.Write("splits.json", R"({"val": ["../../upload/1/f5e0cb5c-b.jpg"]})"), *dataset);
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_THAT(splits->validation, ElementsAre(1));
  for (const std::string& name : {std::string("../secret.jpg"), folder_.path("secret.jpg"),
                                  std::string("x/../../secret.jpg")}) {
    dataset = ReadFiles({name});
    ASSERT_FALSE(dataset.ok()) << name;
    EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("no file below"));
  }
  folder_.Write("images/more/b.jpg", "x");
  dataset = ReadFiles({"up/b.jpg"});
  ASSERT_FALSE(dataset.ok());
  EXPECT_THAT(std::string(dataset.status().message()),
              HasSubstr("several files have that base name"));
}

}  // namespace
}  // namespace mgral::client
