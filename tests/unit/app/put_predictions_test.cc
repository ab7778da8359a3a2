// Which predictions of an external detector are stored, and what is said of the others.
#include "server/app/put_predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/errors.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/fake_prediction_store.h"
#include "tests/support/mock_pool_store.h"

namespace mgral::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class PutPredictionsTest : public ::testing::Test {
 protected:
  PutPredictionsTest() {
    pool_.key = 7;
    pool_.pool_id = "cells";
    pool_.classes = {"RBC", "WBC"};
    pool_.detector.profile = domain::kExternalProfile;
    // The images a, b and c of 100 x 50 pixels with the keys 1 to 3; d's size is unknown.
    ON_CALL(pools_, GetImages).WillByDefault([](int64_t, const std::vector<std::string>& ids) {
      std::vector<domain::Image> images;
      for (const std::string& id : ids) {
        if (id.size() != 1 || id[0] < 'a' || id[0] > 'd') continue;
        domain::Image& image = images.emplace_back();
        image.key = id[0] - 'a' + 1;
        image.image_id = id;
        if (id != "d") {
          image.width = 100;
          image.height = 50;
        }
      }
      return images;
    });
    stream_ = *put_.Begin(pool_, "yolo@1");
  }

  static PredictionsInput Of(const std::string& image_id) {
    return {image_id, {{10, 10, 20, 20, "WBC", false, 0.5}}, {1, 2, 3}};
  }
  PutPredictions::Chunk Put(const std::vector<PredictionsInput>& predictions) {
    auto chunk = put_.Put(predictions, &stream_);
    EXPECT_TRUE(chunk.ok()) << chunk.status();
    return chunk.ok() ? *chunk : PutPredictions::Chunk();
  }
  // Puts them after good ones of image a; the field that is to blame. Only a's are stored.
  std::string Blamed(const PredictionsInput& bad) {
    stream_ = *put_.Begin(pool_, "yolo@1");
    store_.set.reset();
    store_.stored.clear();
    const PutPredictions::Chunk chunk = Put({Of("a"), bad});
    EXPECT_EQ(chunk.stored, 1);
    EXPECT_THAT(store_.stored, SizeIs(1));
    if (chunk.refused.size() != 1) return "";
    EXPECT_EQ(chunk.refused[0].index, 1u);
    reason_ = chunk.refused[0].reason;
    return chunk.refused[0].field;
  }
  std::string BlamedBox(const BoxInput& box) {
    PredictionsInput bad = Of("b");
    bad.boxes.push_back(box);
    return Blamed(bad);
  }

  domain::Pool pool_;
  testing::NiceMock<test::MockPoolStore> pools_;
  test::FakePredictionStore store_;
  test::FakeDetectorRuntime runtime_;
  PutPredictions put_{&pools_, &store_, &runtime_};
  PutPredictions::Stream stream_;
  std::string reason_;
};

TEST_F(PutPredictionsTest, OnlyForPoolsWithAnExternalDetector) {
  pool_.detector.profile = "tiny";
  const absl::Status refused = put_.Begin(pool_, "yolo@1").status();
  EXPECT_EQ(base::Reason(refused), "NOT_EXTERNAL");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("pools/cells"));
}

TEST_F(PutPredictionsTest, TheModelHasAName) {
  for (const std::string& name : {std::string(), std::string(129, 'a'), std::string("a\nb")}) {
    const absl::Status refused = put_.Begin(pool_, name).status();
    EXPECT_EQ(base::FieldViolations(refused).at(0).field, "model") << name;
  }
}

TEST_F(PutPredictionsTest, StoresBoxesCutAtTheBorderAndSignals) {
  PredictionsInput input = Of("a");
  input.boxes = {{-5, 40, 20, 20, "RBC", false, 1}, {90, 0, 10, 50, "WBC", false, 0.25}};
  EXPECT_EQ(Put({input}).stored, 1);
  const domain::ImageSignals& stored = store_.stored.at(1);
  EXPECT_THAT(stored.embedding, ElementsAre(1, 2, 3));
  EXPECT_THAT(stored.expected_objects, ElementsAre(1, 0.25));
  ASSERT_THAT(stored.predictions, SizeIs(2));
  const domain::Box& cut = stored.predictions[0];
  EXPECT_EQ(cut.x_min, 0);
  EXPECT_EQ(cut.width, 15);
  EXPECT_EQ(cut.height, 10);
  EXPECT_EQ(stored.predictions[1].class_index, 1);
  EXPECT_EQ(stream_.images, 1);
}

TEST_F(PutPredictionsTest, NoBoxesIsAnAnswerToo) {
  PredictionsInput input = Of("a");
  input.boxes.clear();
  EXPECT_EQ(Put({input}).stored, 1);
}

TEST_F(PutPredictionsTest, BadBoxes) {
  const double numbers[] = {kNan, kInfinity, -kInfinity, 1e300};
  for (const double bad : numbers) {
    EXPECT_EQ(BlamedBox({bad, 0, 4, 4, "RBC", false, 0.5}), "boxes[1].x_min");
    EXPECT_EQ(BlamedBox({0, bad, 4, 4, "RBC", false, 0.5}), "boxes[1].y_min");
    EXPECT_EQ(BlamedBox({0, 0, bad, 4, "RBC", false, 0.5}), "boxes[1].width");
    EXPECT_EQ(BlamedBox({0, 0, 4, bad, "RBC", false, 0.5}), "boxes[1].height");
  }
  EXPECT_EQ(BlamedBox({9, 9, -4, 4, "RBC", false, 0.5}), "boxes[1].width");  // inverted
  EXPECT_EQ(BlamedBox({9, 9, 4, 0, "RBC", false, 0.5}), "boxes[1].height");
  EXPECT_EQ(BlamedBox({100, 0, 4, 4, "RBC", false, 0.5}), "boxes[1].x_min");
  EXPECT_THAT(reason_, HasSubstr("outside the image of 100 x 50 pixels"));
}

TEST_F(PutPredictionsTest, BadScores) {
  for (const double score : {0.0, -0.1, 1.0001, kNan, kInfinity}) {
    EXPECT_EQ(BlamedBox({0, 0, 4, 4, "RBC", false, score}), "boxes[1].score") << score;
  }
}

TEST_F(PutPredictionsTest, UnknownClassesAndImages) {
  EXPECT_EQ(BlamedBox({0, 0, 4, 4, "cow", false, 0.5}), "boxes[1].class_name");
  EXPECT_THAT(reason_, HasSubstr("\"RBC\", \"WBC\""));
  EXPECT_EQ(Blamed(Of("stranger")), "image_id");
  EXPECT_THAT(reason_, HasSubstr("not registered in pools/cells"));
  EXPECT_EQ(Blamed(Of("")), "image_id");
  EXPECT_EQ(Blamed(Of("x/y")), "image_id");
}

TEST_F(PutPredictionsTest, BadEmbeddings) {
  PredictionsInput bad = Of("b");
  bad.embedding = {1, 2};
  EXPECT_EQ(Blamed(bad), "embedding");
  EXPECT_THAT(reason_, HasSubstr("has 2 numbers; those of the other images have 3"));
  bad.embedding = {};
  EXPECT_EQ(Blamed(bad), "embedding");
  bad.embedding.assign(4097, 1);
  EXPECT_EQ(Blamed(bad), "embedding");
  for (const double number : {kNan, kInfinity}) {
    bad.embedding = {1, static_cast<float>(number), 3};
    EXPECT_EQ(Blamed(bad), "embedding[1]");
  }
}

TEST_F(PutPredictionsTest, TheFirstOnesMayNotBeBadEither) {
  PredictionsInput large = Of("a");
  large.embedding.assign(4097, 1);
  EXPECT_EQ(Put({large}).refused.at(0).field, "embedding");
  EXPECT_THAT(store_.stored, IsEmpty());
  EXPECT_FALSE(store_.set.has_value());
}

TEST_F(PutPredictionsTest, AnImageComesOnceInAStream) {
  EXPECT_EQ(Blamed(Of("a")), "image_id");
  EXPECT_THAT(reason_, HasSubstr("twice in this stream"));
  EXPECT_EQ(Put({Of("a")}).refused.at(0).field, "image_id");
  // What was refused has not come.
  PredictionsInput bad = Of("b");
  bad.boxes[0].score = 2;
  EXPECT_EQ(Put({bad}).stored, 0);
  EXPECT_EQ(Put({Of("b")}).stored, 1);
}

TEST_F(PutPredictionsTest, ManyBoxesOfAnImage) {
  PredictionsInput many = Of("b");
  many.boxes.assign(1001, many.boxes[0]);
  EXPECT_EQ(Blamed(many), "boxes");
  EXPECT_THAT(reason_, HasSubstr("at most 1000"));
  many.boxes.pop_back();
  EXPECT_EQ(Put({many}).stored, 1);
}

TEST_F(PutPredictionsTest, ManyBoxesOfAMessage) {
  PredictionsInput many = Of("b");
  many.boxes.assign(200'000, many.boxes[0]);
  const absl::Status refused = put_.Put({Of("a"), many}, &stream_).status();
  EXPECT_EQ(base::FieldViolations(refused).at(0).field, "predictions");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("200001 boxes"));
  EXPECT_THAT(store_.stored, IsEmpty());
}

TEST_F(PutPredictionsTest, ManyBoxesOfAPool) {
  PutPredictions put(&pools_, &store_, &runtime_, 3);
  stream_ = *put.Begin(pool_, "yolo@1");
  ASSERT_TRUE(put.Put({Of("a"), Of("b")}, &stream_).ok());
  EXPECT_EQ(base::Reason(put.Put({Of("c"), Of("d")}, &stream_).status()), "TOO_MANY_BOXES");
  EXPECT_THAT(store_.stored, SizeIs(2));
  // Boxes that are replaced do not count.
  stream_ = *put.Begin(pool_, "yolo@1");
  EXPECT_TRUE(put.Put({Of("a"), Of("b"), Of("c")}, &stream_).ok());
}

TEST_F(PutPredictionsTest, TheSameVersionIsAddedTo) {
  Put({Of("a")});
  stream_ = *put_.Begin(pool_, "yolo@1");
  EXPECT_EQ(stream_.images, 1);
  PredictionsInput other = Of("b");
  other.embedding = {1};
  EXPECT_EQ(Put({other}).refused.at(0).field, "embedding");
  EXPECT_EQ(Put({Of("a"), Of("b")}).stored, 2);
  EXPECT_EQ(stream_.images, 2);
}

TEST_F(PutPredictionsTest, AnotherVersionBeginsAnewWithWhatIsStored) {
  Put({Of("a"), Of("b")});
  stream_ = *put_.Begin(pool_, "yolo@2");
  EXPECT_EQ(Put({Of("stranger")}).stored, 0);
  EXPECT_EQ(store_.set->model, "yolo@1");
  PredictionsInput longer = Of("c");
  longer.embedding = {1, 2, 3, 4};
  EXPECT_EQ(Put({longer}).stored, 1);
  EXPECT_EQ(store_.set->model, "yolo@2");
  EXPECT_EQ(store_.set->embedding_size, 4);
  EXPECT_THAT(store_.stored, SizeIs(1));
}

TEST_F(PutPredictionsTest, TwoStreamsOfTwoVersionsDoNotMix) {
  Put({Of("a")});
  PutPredictions::Stream other = *put_.Begin(pool_, "yolo@2");
  ASSERT_TRUE(put_.Put({Of("b")}, &other).ok());
  const absl::Status refused = put_.Put({Of("c")}, &stream_).status();
  EXPECT_EQ(base::Reason(refused), "PREDICTIONS_REPLACED");
  EXPECT_EQ(store_.set->model, "yolo@2");
  EXPECT_THAT(store_.stored, SizeIs(1));
}

}  // namespace
}  // namespace mgral::app
