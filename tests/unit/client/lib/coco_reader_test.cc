#include <cmath>
#include <string>

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

class CocoReaderTest : public testing::Test {
 protected:
  CocoReaderTest() {
    document_ = {{"images",
                  {{{"id", 1}, {"file_name", "a.jpg"}, {"width", 100}, {"height", 80}},
                   {{"id", 2}, {"file_name", "b.jpg"}, {"width", 100}, {"height", 80}}}},
                 {"categories", {{{"id", 7}, {"name", "dog"}}, {{"id", 3}, {"name", "cat"}}}},
                 {"annotations",
                  {{{"id", 1}, {"image_id", 1}, {"category_id", 7}, {"bbox", {1.5, 2, 30, 40}}}}}};
    folder_.Write("images/a.jpg", "x");
    folder_.Write("images/b.jpg", "x");
  }

  absl::StatusOr<Dataset> Read(const ReadOptions& options = {}) {
    return ReadText(document_.dump(), options);
  }
  absl::StatusOr<Dataset> ReadText(const std::string& text, const ReadOptions& options = {}) {
    return ReadCoco(folder_.Write("annotations.json", text), folder_.path("images"), options);
  }
  // The error's text, which names the file.
  std::string Error() {
    const absl::StatusOr<Dataset> dataset = Read();
    EXPECT_FALSE(dataset.ok());
    const std::string message(dataset.status().message());
    EXPECT_THAT(message, HasSubstr(folder_.path("annotations.json")));
    return message;
  }
  json& annotation() { return document_["annotations"][0]; }

  TemporaryFolder folder_;
  json document_;
};

TEST_F(CocoReaderTest, ReadsClassesInTheOrderOfTheirIds) {
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->classes, ElementsAre("cat", "dog"));
  ASSERT_EQ(dataset->images.size(), 2u);
  EXPECT_EQ(dataset->images[0].image_id, "a.jpg");
  EXPECT_EQ(dataset->images[0].path, folder_.path("images/a.jpg"));
  ASSERT_EQ(dataset->images[0].boxes.size(), 1u);
  EXPECT_EQ(dataset->images[0].boxes[0].class_index, 1);
  EXPECT_EQ(dataset->images[0].boxes[0].x_min, 1.5);
  EXPECT_TRUE(dataset->images[1].boxes.empty());
  EXPECT_EQ(dataset->clipped_boxes + dataset->dropped_boxes, 0);
}

TEST_F(CocoReaderTest, CrowdsIgnoredAndDifficultObjectsAreIgnored) {
  json boxes = json::array();
  for (const char* flag : {"iscrowd", "ignore", "difficult"}) {
    boxes.push_back(annotation());
    boxes.back()[flag] = 1;
  }
  boxes.push_back(annotation());
  boxes.back()["iscrowd"] = 0;
  document_["annotations"] = boxes;
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto& read = dataset->images[0].boxes;
  EXPECT_TRUE(read[0].ignore && read[1].ignore && read[2].ignore);
  EXPECT_FALSE(read[3].ignore);
}

TEST_F(CocoReaderTest, NotJson) {
  for (const char* text : {"", "{\"images\": [", "[1,2]", "{\"images\": \"\xff\xfe\"}"}) {
    const auto dataset = ReadText(text);
    ASSERT_FALSE(dataset.ok()) << text;
    EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("annotations.json: is not"));
  }
}

TEST_F(CocoReaderTest, DeeplyNestedJsonDoesNotOverflowTheStack) {
  EXPECT_FALSE(ReadText(std::string(2000000, '[')).ok());
  EXPECT_FALSE(ReadText(std::string(500000, '[') + std::string(500000, ']')).ok());
}

TEST_F(CocoReaderTest, NanIsRefused) {
  const auto dataset = ReadText(R"({"images": [], "annotations": [{"bbox": [NaN, 1, 2, 3]}]})");
  EXPECT_FALSE(dataset.ok());
  annotation()["bbox"] = {std::nan(""), 1, 2, 3};  // dumps as null
  EXPECT_THAT(Error(), HasSubstr("annotations[0]: \"bbox\" is not a list of four numbers"));
}

TEST_F(CocoReaderTest, InfinityIsRefused) {
  const auto dataset =
      ReadText(R"({"images": [], "categories": [], "annotations": [{"bbox": [1e999, 1, 2, 3]}]})");
  EXPECT_FALSE(dataset.ok());
}

TEST_F(CocoReaderTest, MissingLists) {
  document_.erase("annotations");
  EXPECT_THAT(Error(), HasSubstr("annotations: the list is missing"));
  document_["annotations"] = 5;
  EXPECT_THAT(Error(), HasSubstr("annotations: the list is missing"));
}

TEST_F(CocoReaderTest, NoImages) {
  document_["images"] = json::array();
  document_["annotations"] = json::array();
  EXPECT_THAT(Error(), HasSubstr("there are no images"));
}

TEST_F(CocoReaderTest, MissingFileIsNamedWithItsEntry) {
  document_["images"][1]["file_name"] = "gone.jpg";
  EXPECT_THAT(Error(), HasSubstr("images[1]: there is no file " + folder_.path("images/gone.jpg")));
  ReadOptions labels_only;
  labels_only.require_files = false;
  EXPECT_TRUE(Read(labels_only).ok());
}

TEST_F(CocoReaderTest, AFolderIsNoImageFile) {
  folder_.Write("images/sub/c.jpg", "x");
  document_["images"][1]["file_name"] = "sub";
  EXPECT_THAT(Error(), HasSubstr("images[1]: there is no file"));
}

TEST_F(CocoReaderTest, PathsOutOfTheFolderAreRefused) {
  for (const char* name : {"../a.jpg", "/etc/passwd", "x/../../a.jpg", "..\\a.jpg", "", "a//c.jpg",
                           "./a.jpg", "a\nb.jpg"}) {
    document_["images"][1]["file_name"] = name;
    EXPECT_THAT(Error(), HasSubstr("images[1]")) << name;
  }
  document_["images"][1]["file_name"] = std::string(5000, 'a');
  EXPECT_THAT(Error(), HasSubstr("longer than 1024"));
  document_["images"][1]["file_name"] = std::string(300, 'a');
  EXPECT_THAT(Error(), HasSubstr("too long for an image_id"));
}

TEST_F(CocoReaderTest, SubfoldersBecomePartOfTheId) {
  folder_.Write("images/left/a.jpg", "x");
  document_["images"][1]["file_name"] = "left/a.jpg";
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->images[1].image_id, "left:a.jpg");
  EXPECT_EQ(dataset->images[1].file_name, "left/a.jpg");
}

TEST_F(CocoReaderTest, DuplicatedNamesAndIds) {
  document_["images"][1]["file_name"] = "a.jpg";
  EXPECT_THAT(Error(), HasSubstr("images[1]: \"a.jpg\" is also images[0]"));
  document_["images"][1]["file_name"] = "b.jpg";
  document_["images"][1]["id"] = 1;
  EXPECT_THAT(Error(), HasSubstr("images[1]: image id 1 is there twice"));
  document_["images"][1]["id"] = 2;
  document_["categories"][1]["id"] = 7;
  EXPECT_THAT(Error(), HasSubstr("categories[1]: id 7 is there twice"));
  document_["categories"][1] = {{"id", 3}, {"name", "dog"}};
  EXPECT_THAT(Error(), HasSubstr("class \"dog\" is there twice"));
}

TEST_F(CocoReaderTest, UnknownCategoryAndImage) {
  annotation()["category_id"] = 99;
  EXPECT_THAT(Error(), HasSubstr("annotations[0]: \"category_id\" 99 is not the id of a category"));
  annotation()["category_id"] = "7";
  EXPECT_THAT(Error(), HasSubstr("\"category_id\" \"7\""));
  annotation()["category_id"] = 7;
  annotation()["image_id"] = 12345;
  EXPECT_THAT(Error(), HasSubstr("annotations[0]: \"image_id\" 12345 is not the id of an image"));
  annotation().erase("image_id");
  EXPECT_THAT(Error(), HasSubstr("\"image_id\" (missing)"));
}

TEST_F(CocoReaderTest, EntriesOfWrongTypes) {
  document_["annotations"][0] = "box";
  EXPECT_THAT(Error(), HasSubstr("annotations[0]: is not an object"));
  document_["annotations"] = json::array();
  document_["images"][0]["file_name"] = 5;
  EXPECT_THAT(Error(), HasSubstr("images[0]: \"file_name\" is not a string"));
  document_["images"][0]["file_name"] = "a.jpg";
  document_["images"][0]["id"] = json::object();
  EXPECT_THAT(Error(), HasSubstr("images[0]: \"id\" is not an integer"));
  document_["images"][0]["id"] = 1;
  document_["categories"][0]["name"] = "";
  EXPECT_THAT(Error(), HasSubstr("the class has no name"));
}

TEST_F(CocoReaderTest, ImpossibleSizes) {
  for (const double width : {-5.0, 0.0, 1e9, 10.5}) {
    document_["images"][0]["width"] = width;
    EXPECT_THAT(Error(), HasSubstr("images[0]: the image's size")) << width;
  }
}

TEST_F(CocoReaderTest, BoxesAreClippedAndReported) {
  annotation()["bbox"] = {-10, 70, 200, 20};
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const DatasetBox& box = dataset->images[0].boxes[0];
  EXPECT_EQ(box.x_min, 0);
  EXPECT_EQ(box.width, 100);
  EXPECT_EQ(box.y_min, 70);
  EXPECT_EQ(box.height, 10);
  EXPECT_EQ(dataset->clipped_boxes, 1);
  EXPECT_THAT(dataset->warnings, ElementsAre(HasSubstr("annotations[0]: clipped the box")));
}

TEST_F(CocoReaderTest, ClippedBoxesNeverPassTheEdgeByRounding) {
  for (int i = 1; i < 400; ++i) {
    const double x = 0.1 * i * 0.77777;
    annotation()["bbox"] = {x, 0.3, 1000, 1000};
    if (x >= 100) break;
    const absl::StatusOr<Dataset> dataset = Read();
    ASSERT_TRUE(dataset.ok());
    const DatasetBox& box = dataset->images[0].boxes[0];
    EXPECT_LE(box.x_min + box.width, 100.0);
    EXPECT_LE(box.y_min + box.height, 80.0);
  }
}

TEST_F(CocoReaderTest, ARoundedEdgeIsClippedWithoutAWord) {
  annotation()["bbox"] = {0, 0, 100.4, 80};
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok());
  EXPECT_EQ(dataset->images[0].boxes[0].width, 100);
  EXPECT_EQ(dataset->clipped_boxes, 0);
}

TEST_F(CocoReaderTest, BoxesWithoutAreaAreDroppedAndReported) {
  json boxes = json::array();
  for (const json& bbox : {json{5, 5, 0, 10}, json{5, 5, 10, -3}, json{200, 5, 10, 10},
                           json{-50, 0, 20, 20}, json{1e308, 1e308, 1e308, 1e308}}) {
    boxes.push_back(annotation());
    boxes.back()["bbox"] = bbox;
  }
  document_["annotations"] = boxes;
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->dropped_boxes, 5);
  EXPECT_EQ(dataset->warnings.size(), 5u);
  EXPECT_TRUE(dataset->images[0].boxes.empty());
}

TEST_F(CocoReaderTest, SeveralMistakesAreNamedAtOnceButNotWithoutEnd) {
  json boxes = json::array();
  for (int i = 0; i < 50; ++i) {
    boxes.push_back(annotation());
    boxes.back()["category_id"] = 100 + i;
  }
  document_["annotations"] = boxes;
  const std::string error = Error();
  EXPECT_THAT(error, HasSubstr("annotations[0]"));
  EXPECT_THAT(error, HasSubstr("annotations[9]"));
  EXPECT_THAT(error, testing::Not(HasSubstr("annotations[10]")));
  EXPECT_THAT(error, HasSubstr("maybe more"));
}

TEST_F(CocoReaderTest, MissingFilesOfTheDatasetItself) {
  EXPECT_TRUE(
      absl::IsNotFound(ReadCoco(folder_.path("none.json"), folder_.path("images")).status()));
  EXPECT_TRUE(absl::IsNotFound(
      ReadCoco(folder_.Write("annotations.json", "{}"), folder_.path("none")).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadDataset(folder_.path("nowhere")).status()));
  EXPECT_FALSE(ReadCoco(folder_.path(), folder_.path("images")).ok());
}

TEST_F(CocoReaderTest, LabelsAndImagesForTheServer) {
  const absl::StatusOr<Dataset> dataset = Read();
  ASSERT_TRUE(dataset.ok());
  const DatasetImage& image = dataset->images[0];
  const v1::NewLabels labels = ToNewLabels(*dataset, image);
  EXPECT_EQ(labels.image_id(), "a.jpg");
  EXPECT_EQ(labels.boxes(0).class_name(), "dog");
  EXPECT_EQ(labels.boxes(0).height(), 40);
  const auto bytes = ToNewImage(image, v1::IMAGE_USE_VALIDATION, std::nullopt);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->source().data(), "x");
  EXPECT_EQ(bytes->use(), v1::IMAGE_USE_VALIDATION);
  EXPECT_EQ(ToNewImage(image, v1::IMAGE_USE_TRAINING, "cells/")->source().path(), "cells/a.jpg");
  EXPECT_EQ(ToNewImage(image, v1::IMAGE_USE_TRAINING, "")->source().path(), "a.jpg");
  DatasetImage gone = image;
  gone.path = folder_.path("gone.jpg");
  EXPECT_FALSE(ToNewImage(gone, v1::IMAGE_USE_TRAINING, std::nullopt).ok());
}

}  // namespace
}  // namespace mgral::client
