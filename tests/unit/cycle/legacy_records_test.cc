#include "server/cycle/legacy_records.h"

#include <gtest/gtest.h>

#include "tests/unit/cycle/byte_writer.h"

// What release 0.1 wrote; a whole database of it is opened by tests/fault/upgrade_test.
namespace mgral::cycle {
namespace {

void PutBox(test::ByteWriter* writer) {
  for (const double value : {1.5, 2.5, 7.0, 8.0, 0.25}) writer->Number<double>(value);
  writer->Number<int32_t>(1);
  writer->Number<uint8_t>(1);
}

std::string Examples() {
  test::ByteWriter writer;
  writer.Text("mgral-examples-1");
  writer.Number<uint64_t>(1);
  writer.Number<int64_t>(3);
  writer.Text("image-3");
  writer.Number<int32_t>(1);
  writer.Text("a/3.jpg");
  writer.Number<uint64_t>(1);
  PutBox(&writer);
  writer.Number<uint64_t>(0);
  return writer.Take();
}

template <typename Parse>
void ExpectOnlyWholeBytes(const std::string& bytes, Parse parse) {
  ASSERT_TRUE(parse(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(parse(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(parse(bytes + "x").ok());
}

TEST(LegacyRecordsTest, ExamplesAreReadLikeThoseOfToday) {
  ExpectOnlyWholeBytes(Examples(), ParseExamples);
  const CycleExamples read = *ParseExamples(Examples());
  EXPECT_EQ(read.training[0].image.key, 3);
  EXPECT_EQ(read.training[0].image.image_id, "image-3");
  EXPECT_EQ(read.training[0].image.source.location, "a/3.jpg");
  EXPECT_EQ(read.training[0].image.width, 0);
  EXPECT_FALSE(read.training[0].image.source.oriented);
  EXPECT_EQ(read.training[0].boxes[0].height, 8);
  EXPECT_TRUE(read.training[0].boxes[0].ignore);
  EXPECT_TRUE(read.validation.empty());
}

TEST(LegacyRecordsTest, TheManifestIsReadWithoutItsGainsWhichHaveNoFeatures) {
  const std::string json =
      R"({"cold_start":false,"examples":"e","realised":[{"class_gain":[0.5,null],"signals":"r"}],)"
      R"("signals":["a","b"]})";
  ExpectOnlyWholeBytes(json, ParseManifest);
  const auto read = *ParseManifest(json);
  EXPECT_EQ(read.examples_sha256, "e");
  EXPECT_FALSE(read.cold_start);
  EXPECT_TRUE(read.realized.empty());
  for (const char* other : {"{}", "[1]", "{\"signals\": 1}", "null"}) {
    EXPECT_EQ(ParseManifest(other).status().code(), absl::StatusCode::kDataLoss) << other;
  }
}

TEST(LegacyRecordsTest, OneKindIsNotTakenForAnother) {
  EXPECT_FALSE(ParseManifest(Examples()).ok());
  EXPECT_FALSE(ParseExamples("{\"cold_start\":false,\"examples\":\"e\"}").ok());
  EXPECT_FALSE(ParseSignals(Examples()).ok());
}

}  // namespace
}  // namespace mgral::cycle
