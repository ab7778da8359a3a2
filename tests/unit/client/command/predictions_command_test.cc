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

}  // namespace
}  // namespace mgral::client
