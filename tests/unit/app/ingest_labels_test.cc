#include "server/app/ingest_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "server/base/errors.h"
#include "server/base/limits.h"
#include "tests/support/fake_image_loader.h"
#include "tests/support/mock_pool_store.h"

namespace mgral::app {
namespace {

using ::testing::HasSubstr;

class MockLabelStore : public domain::LabelStore {
 public:
  MOCK_METHOD(absl::StatusOr<Ingested>, IngestLabels,
              (int64_t, absl::Span<const domain::NewLabels>, const domain::RequestKey&),
              (override));
  MOCK_METHOD(absl::StatusOr<domain::Page<domain::Labels>>, ListLabels,
              (int64_t, const domain::PageRequest&), (override));
};

LabelsInput Labels(const std::string& image_id, std::vector<BoxInput> boxes) {
  LabelsInput labels;
  labels.image_id = image_id;
  labels.boxes = std::move(boxes);
  return labels;
}

class IngestLabelsTest : public ::testing::Test {
 protected:
  IngestLabelsTest() {
    pool_.pool_id = "cells";
    for (int i = 0; i < 12; ++i) pool_.classes.push_back("class" + std::to_string(i));
    for (const char* id : {"a", "b", "c"}) Add(id, "seen.png", 100, 50);
    Add("unseen", "unseen.png", 0, 0);
    Add("gone", "gone.png", 0, 0);
    ON_CALL(pools_, GetImages).WillByDefault([this](int64_t, const std::vector<std::string>& ids) {
      std::vector<domain::Image> found;
      for (const std::string& id : ids) {
        if (images_.count(id) > 0) found.push_back(images_[id]);
      }
      return found;
    });
    loader_.sizes["unseen.png"] = {10, 10};
    ON_CALL(store_, IngestLabels).WillByDefault([this](auto, auto rows, auto&) {
      return Store(rows);
    });
  }
  void Add(const std::string& image_id, const std::string& path, int width, int height) {
    domain::Image& image = images_[image_id];
    image.image_id = image_id;
    image.source.location = path;
    image.width = width;
    image.height = height;
  }
  // What the store does: it knows every batch but "unknown".
  absl::StatusOr<domain::LabelStore::Ingested> Store(absl::Span<const domain::NewLabels> rows) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].batch_id == "unknown") {
        return base::InvalidField("labels[" + std::to_string(i) + "].batch", "no such batch");
      }
    }
    stored_.insert(stored_.end(), rows.begin(), rows.end());
    return domain::LabelStore::Ingested{static_cast<int64_t>(rows.size()), 0};
  }
  // The fields to blame when these labels are ingested, "" when they are stored.
  std::string Blamed(const std::vector<LabelsInput>& labels) {
    stored_.clear();
    const auto result = ingest_.IngestAll({}, pool_, labels, {});
    EXPECT_EQ(result.ok(), stored_.size() == labels.size());
    std::string fields;
    for (const auto& violation : base::FieldViolations(result.status())) {
      fields += violation.field + ";";
    }
    return fields;
  }
  domain::Pool pool_;
  testing::NiceMock<test::MockPoolStore> pools_;
  std::map<std::string, domain::Image> images_;
  test::FakeImageLoader loader_;
  testing::NiceMock<MockLabelStore> store_;
  std::vector<domain::NewLabels> stored_;
  IngestLabels ingest_{&pools_, &store_, &loader_, 2};
};

TEST_F(IngestLabelsTest, NumbersThatAreNoBox) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string name = "class0";
  EXPECT_EQ(Blamed({Labels("a", {{nan, 0, 1, 1, name}})}), "labels[0].boxes[0].x_min;");
  EXPECT_EQ(Blamed({Labels("a", {{0, infinity, 1, 1, name}})}), "labels[0].boxes[0].y_min;");
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, -infinity, 1, name}})}), "labels[0].boxes[0].width;");
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 0, 1, name}})}), "labels[0].boxes[0].width;");
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 1, -0.0, name}})}), "labels[0].boxes[0].height;");
  EXPECT_EQ(Blamed({Labels("a", {{-0.001, -1, 1, 1, name}})}),
            "labels[0].boxes[0].x_min;labels[0].boxes[0].y_min;");
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 1, 1, name}, {99, 49, 1.5, 1.5, name}})}),
            "labels[0].boxes[1].width;labels[0].boxes[1].height;");
}

TEST_F(IngestLabelsTest, EdgesAndRounding) {
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 100, 50, "class0"}})}), "");
  EXPECT_EQ(Blamed({Labels("a", {{0.1, 0.2, 99.9, 49.8, "class0"}})}), "");  // sums round up
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 100.001, 50, "class0"}})}), "labels[0].boxes[0].width;");
}

TEST_F(IngestLabelsTest, AnUnknownClassNamesSomeOfTheKnown) {
  const auto result = ingest_.IngestAll({}, pool_, {Labels("a", {{0, 0, 1, 1, "cow"}})}, {});
  const auto violations = base::FieldViolations(result.status());
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "labels[0].boxes[0].class_name");
  EXPECT_THAT(violations[0].description, HasSubstr("\"cow\""));
  EXPECT_THAT(violations[0].description, HasSubstr("\"class9\""));
  EXPECT_THAT(violations[0].description, HasSubstr("12 in all"));
}

TEST_F(IngestLabelsTest, SizesThatWereNotLookedAtAreRead) {
  EXPECT_EQ(Blamed({Labels("unseen", {{0, 0, 10, 10, "class0"}})}), "");
  EXPECT_EQ(Blamed({Labels("unseen", {{0, 0, 11, 10, "class0"}})}), "labels[0].boxes[0].width;");
  EXPECT_EQ(Blamed({Labels("gone", {{0, 0, 1, 1, "class0"}})}), "labels[0].image_id;");
  EXPECT_EQ(Blamed({Labels("gone", {})}), "");  // nothing to check
}

// A cycle rejects an image whose file has another size than its labels were given for.
TEST_F(IngestLabelsTest, TheSizeOfARejectedImageIsReadAgain) {
  EXPECT_EQ(Blamed({Labels("unseen", {{0, 0, 5, 5, "class0"}})}), "");
  EXPECT_EQ(stored_.at(0).width, 10);
  EXPECT_EQ(stored_.at(0).height, 10);
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 100, 50, "class0"}})}), "");
  EXPECT_EQ(stored_.at(0).width, 0);  // as registered
  images_["a"].state = domain::ImageState::kRejected;
  loader_.sizes["seen.png"] = {200, 60};
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 200, 60, "class0"}})}), "");
  EXPECT_EQ(stored_.at(0).width, 200);
  EXPECT_EQ(Blamed({Labels("a", {})}), "");
  EXPECT_EQ(stored_.at(0).height, 60);
  EXPECT_NE(Blamed({Labels("a", {{0, 0, 201, 60, "class0"}})}), "");
  // Where the file cannot be read, the registered size is all there is.
  loader_.sizes.erase("seen.png");
  EXPECT_EQ(Blamed({Labels("a", {{0, 0, 100, 50, "class0"}})}), "");
}

TEST_F(IngestLabelsTest, ItemsAsSuch) {
  LabelsInput refused = Labels("a", {{0, 0, 1, 1, "class0"}});
  refused.reject_reason = "dark";
  EXPECT_EQ(Blamed({refused}), "labels[0].reject_reason;");
  refused.boxes.clear();
  EXPECT_EQ(Blamed({refused}), "");
  refused.reject_reason = std::string(1025, 'x');
  EXPECT_EQ(Blamed({refused}), "labels[0].reject_reason;");
  EXPECT_EQ(Blamed({Labels("stranger", {})}), "labels[0].image_id;");
  EXPECT_EQ(Blamed({Labels("", {})}), "labels[0].image_id;");
  EXPECT_EQ(Blamed({Labels("a", {}), Labels("b", {}), Labels("a", {})}), "labels[2].image_id;");
  const std::vector<BoxInput> many(base::kMaxBoxesPerImage + 1, BoxInput{0, 0, 1, 1, "class0"});
  EXPECT_EQ(Blamed({Labels("a", many)}), "labels[0].boxes;");
}

TEST_F(IngestLabelsTest, ManyViolationsAreCut) {
  const std::vector<BoxInput> bad(500, BoxInput{-1, 0, 1, 1, "class0"});
  const auto result = ingest_.IngestAll({}, pool_, {Labels("a", bad), Labels("b", bad)}, {});
  EXPECT_EQ(base::FieldViolations(result.status()).size(), 20u);
}

TEST_F(IngestLabelsTest, AChunkKeepsTheGood) {
  LabelsInput unknown_batch = Labels("b", {});
  unknown_batch.batch_id = "unknown";
  LabelsInput malformed = Labels("c", {});
  malformed.problem = base::InvalidField("use", "is no use");
  const auto chunk = ingest_.IngestValid(
      {}, pool_, {Labels("stranger", {}), unknown_batch, Labels("a", {}), malformed});
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->counts.ingested, 1);
  ASSERT_EQ(chunk->refused.size(), 3u);
  EXPECT_EQ(chunk->refused[0].field, "image_id");
  EXPECT_EQ(chunk->refused[1].field, "batch");
  EXPECT_EQ(chunk->refused[2].field, "use");
  ASSERT_EQ(stored_.size(), 1u);
  EXPECT_EQ(stored_[0].image_id, "a");
}

}  // namespace
}  // namespace mgral::app
