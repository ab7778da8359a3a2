#include <string>

#include "client/cpp/lib/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SplitsTest : public testing::Test {
 protected:
  SplitsTest() {
    for (const char* name : {"a.jpg", "b.jpg", "c.jpg"}) {
      DatasetImage image;
      image.image_id = image.file_name = name;
      dataset_.images.push_back(image);
    }
  }
  absl::StatusOr<DatasetSplits> Read(const std::string& text) {
    return ReadSplits(folder_.Write("splits.json", text), dataset_);
  }
  std::string Error(const std::string& text) {
    const auto splits = Read(text);
    EXPECT_FALSE(splits.ok()) << text;
    EXPECT_THAT(std::string(splits.status().message()), HasSubstr("splits.json"));
    return std::string(splits.status().message());
  }

  TemporaryFolder folder_;
  Dataset dataset_;
};

TEST_F(SplitsTest, TrainAndPoolMeanTheSame) {
  for (const char* key : {"train", "pool"}) {
    const auto splits =
        Read(std::string("{\"") + key + R"(": ["c.jpg", "a.jpg"], "val": ["b.jpg"], "seed": 3})");
    ASSERT_TRUE(splits.ok()) << splits.status();
    EXPECT_THAT(splits->train, ElementsAre(2, 0));
    EXPECT_THAT(splits->validation, ElementsAre(1));
    EXPECT_TRUE(splits->test.empty());
  }
}

TEST_F(SplitsTest, Mistakes) {
  EXPECT_THAT(Error(R"({"train": ["nope.jpg"]})"), HasSubstr("\"nope.jpg\""));
  EXPECT_THAT(Error(R"({"train": ["a.jpg"], "test": ["a.jpg"]})"),
              HasSubstr("\"a.jpg\" is in \"train\" and in \"test\""));
  EXPECT_THAT(Error(R"({"train": ["a.jpg", "a.jpg"]})"), HasSubstr("and in \"train\""));
  EXPECT_THAT(Error(R"({"train": ["a.jpg"], "pool": ["b.jpg"]})"), HasSubstr("mean the same"));
  EXPECT_THAT(Error(R"({"trian": ["a.jpg"]})"), HasSubstr("\"trian\" is not a split"));
  EXPECT_THAT(Error(R"({"train": "a.jpg"})"), HasSubstr("is not a list"));
  EXPECT_THAT(Error(R"({"train": [3]})"), HasSubstr("holds 3"));
  EXPECT_THAT(Error("[]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(Error("{"), HasSubstr("is not JSON"));
}

TEST_F(SplitsTest, ReadDatasetTakesSplitsBesideTheAnnotations) {
  folder_.Write("images/a.jpg", "x");
  folder_.Write("annotations.json", R"({"images": [{"id": 1, "file_name": "a.jpg"}],
      "categories": [{"id": 1, "name": "cat"}], "annotations": []})");
  auto dataset = ReadDataset(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_FALSE(dataset->splits.has_value());
  EXPECT_EQ(dataset->images[0].width, 0);
  folder_.Write("splits.json", R"({"test": ["a.jpg"]})");
  dataset = ReadDataset(folder_.path() + "/");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->splits->test, ElementsAre(0));
  EXPECT_EQ(dataset->name, folder_.path().substr(folder_.path().rfind('/') + 1));
  EXPECT_FALSE(ReadDataset(folder_.path(), folder_.path("other.json")).ok());
}

}  // namespace
}  // namespace mgral::client
