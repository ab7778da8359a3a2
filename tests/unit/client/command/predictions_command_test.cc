#include <string>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/command/command_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kLine[] =
    R"({"image_id": "a.jpg", "boxes": [{"class_name": "cat", "x_min": 1.5, "y_min": 2, "width": 3,
"height": 4, "score": 0.5}], "embedding": [0.25, -1]})";

class PredictionsCommandTest : public CommandTest {
 protected:
  static std::string Line() {
    std::string line = kLine;
    for (char& c : line) c = c == '\n' ? ' ' : c;
    return line + "\n";
  }
};

TEST_F(PredictionsCommandTest, PutsEveryLineOfEveryFile) {
  const std::string first = folder_.Write("1.jsonl", Line() + "\n"),
                    second = folder_.Write("2.jsonl", R"({"image_id": "b.jpg"})");
  EXPECT_EQ(Run({"predictions", "put", "cats", first, second, "--model", "yolo@3"}), 0) << error_;
  EXPECT_EQ(services_.parent, "pools/cats");
  EXPECT_EQ(services_.external_model, "yolo@3");
  ASSERT_THAT(services_.predictions, SizeIs(2));
  const v1::NewPredictions& put = services_.predictions[0];
  ASSERT_EQ(put.boxes_size(), 1);
  EXPECT_EQ(put.boxes(0).class_name(), "cat");
  EXPECT_EQ(put.boxes(0).x_min(), 1.5);
  EXPECT_EQ(put.boxes(0).score(), 0.5);
  ASSERT_EQ(put.embedding_size(), 2);
  EXPECT_EQ(put.embedding(0), 0.25f);
  EXPECT_EQ(services_.predictions[1].image_id(), "b.jpg");
  EXPECT_THAT(out_, HasSubstr("stored the predictions of 2 images"));
  EXPECT_THAT(out_, HasSubstr("mgral cycle start cats"));
}

TEST_F(PredictionsCommandTest, ABrokenStreamIsResumed) {
  services_.breaks = {{0}};
  const std::string file = folder_.Write("1.jsonl", Line());
  EXPECT_EQ(Run({"predictions", "put", "cats", file, "--model", "yolo@3", "--json"}), 0) << error_;
  const auto answer = nlohmann::json::parse(out_);
  EXPECT_EQ(answer["stored"], 1);
  EXPECT_EQ(answer["images"], 1);
  EXPECT_EQ(answer["reconnects"], 1);
  EXPECT_EQ(services_.external_model, "yolo@3");
}

TEST_F(PredictionsCommandTest, WhatIsRefusedIsNamed) {
  const std::string file = folder_.Write("1.jsonl", R"({"image_id": "refuse me"})");
  EXPECT_EQ(Run({"predictions", "put", "cats", file, "--model", "yolo@3"}), 1);
  EXPECT_THAT(out_, HasSubstr("refused refuse me: boxes[0].score: is 2"));
  EXPECT_THAT(error_, HasSubstr("were refused"));
}

TEST_F(PredictionsCommandTest, ABadLineIsNamed) {
  for (const std::string bad :
       {"{\"image_id\": ", "[]", "{\"image\": \"a\"}", "no json", "{\"embedding\": [\"x\"]}"}) {
    const std::string file = folder_.Write("1.jsonl", bad + "\n");
    EXPECT_EQ(Run({"predictions", "put", "cats", file, "--model", "yolo@3"}), 2) << bad;
    EXPECT_THAT(error_, HasSubstr("1.jsonl, line 1")) << bad;
  }
  EXPECT_EQ(Run({"predictions", "put", "cats", "missing.jsonl", "--model", "yolo@3"}), 2);
  EXPECT_EQ(Run({"predictions", "put", "cats", "missing.jsonl"}), 2);
  EXPECT_THAT(services_.predictions, IsEmpty());
}

// Images 1 to 4: a.jpg, day1/b.jpg, gone.jpg, c.jpg; the pool has all but gone.jpg.
class CocoPredictionsTest : public PredictionsCommandTest {
 protected:
  CocoPredictionsTest() {
    for (const char* id : {"a.jpg", "day1:b.jpg", "c.jpg", "other.jpg"}) services_.images[id] = {};
    nlohmann::json document = {{"categories", {{{"id", 1}, {"name", "cat"}}}}};
    int id = 0;
    for (const char* name : {"a.jpg", "x/day1/b.jpg", "gone.jpg", "c.jpg"}) {
      document["images"].push_back({{"id", ++id}, {"file_name", name}});
    }
    coco_ = folder_.Write("images.json", document.dump());
  }
  int Put(const std::string& results, std::vector<std::string> more = {}) {
    std::vector<std::string> line = {
        "predictions", "put", "cats",    folder_.Write("r.json", results),
        "--coco",      coco_, "--model", "yolo@3"};
    line.insert(line.end(), more.begin(), more.end());
    return Run(line);
  }
  std::string Numpy(int rows, const std::vector<float>& numbers) {
    const std::string shape =
        "(" + std::to_string(rows) + ", " + std::to_string(numbers.size() / rows) + ")";
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
    header.resize(118, ' ');
    return folder_.Write("e.npy", std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header +
                                      std::string(reinterpret_cast<const char*>(numbers.data()),
                                                  numbers.size() * sizeof(float)));
  }

  std::string coco_;
  const std::string results_ =
      R"([{"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
          {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
          {"image_id": 2, "category_id": 1, "bbox": [9, 2, 0, 4], "score": 0.25},
          {"image_id": 2, "category_id": 1, "bbox": [5, 2, 3, 4], "score": 0.25}])";
};

TEST_F(CocoPredictionsTest, ResultsGoToTheImagesThatTheirIdsMean) {
  EXPECT_EQ(Put(results_), 0) << error_;
  ASSERT_THAT(services_.predictions, SizeIs(3));
  EXPECT_EQ(services_.predictions[0].image_id(), "a.jpg");
  EXPECT_EQ(services_.predictions[0].boxes_size(), 0);
  const v1::NewPredictions& found = services_.predictions[1];
  EXPECT_EQ(found.image_id(), "day1:b.jpg");
  ASSERT_EQ(found.boxes_size(), 2);
  EXPECT_EQ(found.boxes(1).class_name(), "cat");
  EXPECT_EQ(found.boxes(1).x_min(), 5);
  EXPECT_EQ(found.boxes(1).height(), 4);
  EXPECT_EQ(found.boxes(1).score(), 0.25);
  EXPECT_EQ(found.embedding_size(), 0);
  EXPECT_THAT(out_, HasSubstr("left out 1 images that the pool does not have"));
  EXPECT_THAT(error_, HasSubstr("2 of 4 images of " + coco_ + " have no result"));
  EXPECT_THAT(error_, HasSubstr("left out 1 boxes without area"));
  services_.predictions.clear();
  EXPECT_EQ(Put(results_, {"--json"}), 0) << error_;
  EXPECT_EQ(nlohmann::json::parse(out_)["left_out"], 1);
}

TEST_F(CocoPredictionsTest, EmbeddingsAreRowsInTheOrderOfTheCocoFile) {
  EXPECT_EQ(Put(results_, {"--embeddings", Numpy(4, {1, 2, 3, 4, 5, 6, 7, 8})}), 0) << error_;
  ASSERT_THAT(services_.predictions, SizeIs(3));
  EXPECT_THAT(services_.predictions[1].embedding(), testing::ElementsAre(3, 4));
  EXPECT_THAT(services_.predictions[2].embedding(), testing::ElementsAre(7, 8));
}

TEST_F(CocoPredictionsTest, WhatIsWrongIsNamedAndNothingIsSent) {
  EXPECT_EQ(Put(results_.substr(0, results_.size() - 20)), 2);
  EXPECT_THAT(error_, HasSubstr("r.json: results[3]"));
  EXPECT_EQ(Put(R"([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1.5}])"), 2);
  EXPECT_THAT(error_, HasSubstr("r.json: results[0]: \"score\" 1.5"));
  EXPECT_EQ(Put(results_, {"--embeddings", Numpy(3, {1, 2, 3})}), 2);
  EXPECT_THAT(error_, HasSubstr("e.npy: has 3 rows, and " + coco_ + " 4 images"));
  EXPECT_EQ(Put(results_, {"--embeddings", folder_.Write("e.npy", "x")}), 2);
  EXPECT_THAT(error_, HasSubstr("e.npy: is not a .npy file"));
  EXPECT_EQ(Run({"predictions", "put", "cats", folder_.Write("1.jsonl", Line()), "--model", "y@3",
                 "--embeddings", Numpy(1, {1})}),
            2);
  EXPECT_THAT(error_, HasSubstr("--coco"));
  EXPECT_THAT(services_.calls, IsEmpty());
  services_.images.clear();
  EXPECT_EQ(Put(results_), 2);
  EXPECT_THAT(error_, HasSubstr("is in pools/cats: images are found by file name"));
  EXPECT_THAT(services_.predictions, IsEmpty());
}

}  // namespace
}  // namespace mgral::client
