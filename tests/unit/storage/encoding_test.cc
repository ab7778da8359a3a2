#include "server/storage/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Box;

TEST(BoxEncodingTest, RefusesBytesThatAreNoBoxes) {
  const std::string good = EncodeBoxes({{1, 2, 3, 4, 5, true, 0.5}});
  EXPECT_TRUE(DecodeBoxes(good).ok());
  EXPECT_TRUE(absl::IsDataLoss(DecodeBoxes("").status()));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeBoxes(good.substr(0, size)).status())) << size;
  }
  EXPECT_FALSE(DecodeBoxes(good + "x").ok());
  std::string other_format = good;
  other_format[0] = 2;
  EXPECT_FALSE(DecodeBoxes(other_format).ok());
  std::string huge = good;
  huge[4] = '\xff';  // the count's highest byte
  EXPECT_FALSE(DecodeBoxes(huge).ok());
}

TEST(SignalsEncodingTest, IsExactAndRefusesOtherBytes) {
  domain::ImageSignals signals;
  signals.embedding = {0.1f, -1e-38f};
  signals.expected_objects = {1, 2, 3};
  signals.uncertainty = {0, 0.5f, 1};
  signals.disagreement = 0.25f;
  const std::string good = EncodeSignals(signals);
  domain::ImageSignals decoded;
  ASSERT_TRUE(DecodeSignals(good, &decoded).ok());
  EXPECT_EQ(decoded.embedding, signals.embedding);
  EXPECT_EQ(decoded.expected_objects, signals.expected_objects);
  EXPECT_EQ(decoded.uncertainty, signals.uncertainty);
  EXPECT_EQ(decoded.disagreement, signals.disagreement);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSignals(good.substr(0, size), &decoded))) << size;
  }
  EXPECT_FALSE(DecodeSignals(good + "x", &decoded).ok());
  std::string other_format = good, huge = good;
  other_format[0] = 2;
  huge[8] = '\xff';  // the highest byte of the number of classes
  EXPECT_FALSE(DecodeSignals(other_format, &decoded).ok());
  EXPECT_FALSE(DecodeSignals(huge, &decoded).ok());
}

TEST(BoxEncodingTest, IsExact) {
  const std::vector<Box> boxes = {{0.1, 1e-300, 12345.678, 1.0 / 3, 999, true, 0.30000000000000004},
                                  {}};
  const auto decoded = DecodeBoxes(EncodeBoxes(boxes));
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[0].x_min, 0.1);
  EXPECT_EQ((*decoded)[0].y_min, 1e-300);
  EXPECT_EQ((*decoded)[0].width, 12345.678);
  EXPECT_EQ((*decoded)[0].height, 1.0 / 3);
  EXPECT_EQ((*decoded)[0].class_index, 999);
  EXPECT_TRUE((*decoded)[0].ignore);
  EXPECT_EQ((*decoded)[0].score, 0.30000000000000004);
  EXPECT_EQ(EncodeBoxes({}).size(), 5u);
}

TEST(ArrayTest, RefusesWhatIsNoArray) {
  for (const char* text : {"", "{", "1,2", "{1,}", "{x}", "{NULL}", "{1 2}"}) {
    EXPECT_FALSE(ParseIntArray(text).ok()) << text;
    EXPECT_FALSE(ParseDoubleArray(text).ok()) << text;
    EXPECT_FALSE(ParseFloatArray(text).ok()) << text;
  }
  EXPECT_FALSE(ParseIntArray("{9223372036854775808}").ok());
}

TEST(ArrayTest, RoundTrips) {
  EXPECT_THAT(*ParseIntArray(IntArray({})), ::testing::IsEmpty());
  EXPECT_THAT(*ParseIntArray(IntArray({1, -9223372036854775807})),
              ::testing::ElementsAre(1, -9223372036854775807));
  const auto doubles = *ParseDoubleArray(DoubleArray(
      {0.1, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}));
  EXPECT_EQ(doubles[0], 0.1);
  EXPECT_TRUE(std::isnan(doubles[1]));
  EXPECT_TRUE(std::isinf(doubles[2]));
  EXPECT_EQ((*ParseDoubleArray("{NaN,Infinity,-Infinity}")).size(), 3u);
  EXPECT_EQ((*ParseFloatArray(FloatArray({1e-7f, 0.1f})))[1], 0.1f);
}

TEST(ArrayTest, QuotesTextAndBytes) {
  EXPECT_EQ(TextArray({"a", "b\"\\{},", "", "NULL"}), "{\"a\",\"b\\\"\\\\{},\",\"\",\"NULL\"}");
  EXPECT_EQ(BytesArray({std::string("\0\xff", 2), ""}), "{\"\\\\x00ff\",\"\\\\x\"}");
  EXPECT_THROW(TextArray({std::string("a\0b", 3)}), InvalidText);
  EXPECT_THROW(TextArray({"\xc3"}), InvalidText);
}

TEST(GainTest, RoundTripsAndRefusesHalfAGain) {
  const domain::Gain gain{0.1, 0.2, {1, 2, 3}, {4, 5, 6}};
  const auto read = ParseGainArray(GainArray(gain));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->mean, 0.1);
  EXPECT_EQ(read->standard_error, 0.2);
  EXPECT_EQ(read->class_mean, gain.class_mean);
  EXPECT_EQ(read->class_standard_error, gain.class_standard_error);
  EXPECT_EQ(ParseGainArray(GainArray({0, 0, {1, 2}, {}}))->class_standard_error.size(), 2u);
  EXPECT_FALSE(ParseGainArray("{}").ok());
  EXPECT_FALSE(ParseGainArray("{1}").ok());
  EXPECT_FALSE(ParseGainArray("{1,2,3}").ok());
}

}  // namespace
}  // namespace mgral::storage
