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
using testing::IsEmpty;
using testing::SizeIs;

class CocoResultsTest : public testing::Test {
 protected:
  CocoResultsTest() {
    document_ = {{"images",
                  {{{"id", 1}, {"file_name", "../up/a.jpg"}, {"width", 100}, {"height", 80}},
                   {{"id", 2}, {"file_name", "b.jpg"}}}},
                 {"categories", {{{"id", 7}, {"name", "dog"}}, {{"id", 3}, {"name", "cat"}}}}};
    results_ = {{{"image_id", 1}, {"category_id", 7}, {"bbox", {1.5, 2, 30, 40}}, {"score", 0.75}}};
  }

  absl::StatusOr<Dataset> ReadTexts(const std::vector<std::string>& texts) {
    std::vector<std::string> files;
    for (const std::string& text : texts) {
      files.push_back(folder_.Write(std::to_string(files.size()) + ".json", text));
    }
    return ReadCocoResults(folder_.Write("images.json", document_.dump()), files);
  }
  absl::StatusOr<Dataset> Read() { return ReadTexts({results_.dump()}); }
  std::string ErrorOf(const std::string& text) {
    const absl::StatusOr<Dataset> dataset = ReadTexts({text});
    EXPECT_FALSE(dataset.ok()) << text;
    return std::string(dataset.status().message());
  }
  std::string Error() { return ErrorOf(results_.dump()); }

  TemporaryFolder folder_;
  json document_, results_;
};

TEST_F(CocoResultsTest, EveryImageIsThereWithItsResults) {
  document_["annotations"] = "are not looked at";
  results_[0]["segmentation"] = {{"counts", "xyz"}, {"size", {80, 100}}};
  const auto dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->classes, ElementsAre("cat", "dog"));
  ASSERT_THAT(dataset->images, SizeIs(2));
  ASSERT_THAT(dataset->images[0].boxes, SizeIs(1));
  const DatasetBox& box = dataset->images[0].boxes[0];
  EXPECT_EQ(box.class_index, 1);
  EXPECT_EQ(box.score, 0.75);
  EXPECT_EQ(box.x_min, 1.5);
  EXPECT_EQ(box.height, 40);
  EXPECT_THAT(dataset->images[1].boxes, IsEmpty());
  const v1::NewPredictions predictions = ToNewPredictions(*dataset, dataset->images[0]);
  EXPECT_EQ(predictions.boxes(0).class_name(), "dog");
  EXPECT_EQ(predictions.boxes(0).score(), 0.75);
}

TEST_F(CocoResultsTest, FilesAddUpAndNoneMayBeThere) {
  const auto dataset = ReadTexts({results_.dump(), "[]", results_.dump()});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->images[0].boxes, SizeIs(2));
}

TEST_F(CocoResultsTest, BoxesAreCutAtTheBorderAndDroppedWithoutArea) {
  results_.push_back(results_[0]);
  results_[0]["bbox"] = {-10, -10, 1000, 1000};
  results_[1]["bbox"] = {100, 10, 5, 5};
  results_.push_back(results_[0]);
  results_[2]["bbox"] = {10, 10, 0, 5};
  const auto dataset = Read();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_THAT(dataset->images[0].boxes, SizeIs(1));
  EXPECT_EQ(dataset->images[0].boxes[0].width, 100);
  EXPECT_EQ(dataset->dropped_boxes, 2);
}

TEST_F(CocoResultsTest, WhatIsWrongIsNamedByFileResultAndField) {
  results_.push_back(results_[0]);
  const auto broken = [this](const std::string& field, const json& value) {
    const json kept = results_[1];
    results_[1][field] = value;
    const std::string message = Error();
    results_[1] = kept;
    EXPECT_THAT(message, HasSubstr("0.json: results[1]: \"" + field + "\"")) << value;
  };
  for (const json& value : {json(), json("1"), json(9), json(1.0), json({1})}) {
    broken("image_id", value);
  }
  for (const json& value : {json(), json("7"), json(9), json(7.5)}) broken("category_id", value);
  for (const json& value : {json(), json("x"), json({1, 2, 3}), json({1, 2, 3, "4"}),
                            json({1, 2, 3, 4, 5}), json({1, 2, -3, 4}), json({1, 2, 3, -4})}) {
    broken("bbox", value);
  }
  for (const json& value : {json(), json("0.5"), json(1.01), json(-0.1), json(0), json(true)}) {
    broken("score", value);
  }
  for (const char* field : {"image_id", "category_id", "bbox", "score"}) {
    const json kept = results_[1];
    results_[1].erase(field);
    EXPECT_THAT(Error(), HasSubstr(std::string("results[1]: \"") + field + "\"")) << field;
    results_[1] = kept;
  }
  for (const json& value : {json(5), json("x"), json(), json::array({1})}) {
    results_[1] = value;
    EXPECT_THAT(Error(), HasSubstr("results[1]: is not an object"));
  }
}

TEST_F(CocoResultsTest, TextThatIsNotJsonIsNamedByResultAndField) {
  const std::string one = results_[0].dump();
  EXPECT_THAT(ErrorOf("[" + one + R"(, {"image_id": 1, "score": NaN}])"),
              HasSubstr("0.json: results[1].score: is not JSON"));
  EXPECT_THAT(ErrorOf("[" + one + R"(, {"bbox": [1, 2, Infinity, 3]}])"),
              HasSubstr("results[1].bbox: is not JSON"));
  EXPECT_THAT(ErrorOf("[" + one + R"(, {"bbox": [1e999, 1, 1, 1]}])"),
              HasSubstr("results[1].bbox: is not JSON"));
  EXPECT_THAT(ErrorOf("[" + one + ", " + one.substr(0, one.size() - 3)),
              HasSubstr("0.json: results[1]."));
  EXPECT_THAT(ErrorOf("[" + one), HasSubstr("results[1]: is not JSON"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("results[0]: is not JSON"));
  EXPECT_LT(ErrorOf("[{\"" + std::string(100000, 'k') + "\": " + std::string(100000, 'x')).size(),
            1000u);
  EXPECT_FALSE(ReadTexts({std::string(2000000, '[')}).ok());
  EXPECT_FALSE(ReadTexts({std::string(500000, '[') + std::string(500000, ']')}).ok());
}

TEST_F(CocoResultsTest, OtherDocumentsAreRefused) {
  for (const std::string& text : {document_.dump(), std::string("{}"), std::string("5"),
                                  "{\"results\": " + results_.dump() + "}"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("0.json: is not a list of results")) << text;
  }
  EXPECT_THAT(std::string(ReadCocoResults(folder_.path("images.json"), {folder_.path("no.json")})
                              .status()
                              .message()),
              HasSubstr("no.json: there is no such file"));
  document_.erase("categories");
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("images.json: categories: the list is missing"));
}

TEST_F(CocoResultsTest, SeveralProblemsAreReportedAtOnce) {
  for (int i = 0; i < 1000; ++i) results_.push_back(5);
  const std::string message = Error();
  EXPECT_THAT(message, HasSubstr("results[1]: "));
  EXPECT_THAT(message, HasSubstr("results[10]: "));
  EXPECT_THAT(message, HasSubstr("and maybe more"));
}

}  // namespace
}  // namespace mgral::client
