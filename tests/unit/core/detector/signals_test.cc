#include "server/core/detector/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mgral::core {
namespace {

using ::testing::Each;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using ::testing::SizeIs;

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

TEST(EmbeddingsTest, HaveLengthOneWhateverTheFeaturesAre) {
  const float huge = std::numeric_limits<float>::max(), tiny = 1e-38f;
  const auto rows = ToEmbeddings({3, 4, huge, -huge, tiny, tiny, 0, 0}, 2);
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_FLOAT_EQ(rows[0][0], 0.6f);
  EXPECT_FLOAT_EQ(rows[0][1], 0.8f);
  EXPECT_FLOAT_EQ(rows[1][1], -std::sqrt(0.5f));
  EXPECT_FLOAT_EQ(rows[2][0], std::sqrt(0.5f));
  EXPECT_THAT(rows[3], Each(FloatEq(0)));
}

TEST(EmbeddingsTest, LongFeaturesKeepTheirAnglesAboutAndAreAlwaysProjectedAlike) {
  constexpr int64_t kSize = 4096;
  std::vector<float> values(3 * kSize);
  for (int64_t i = 0; i < kSize; ++i) {
    values[i] = values[kSize + i] = std::sin(0.1f * i);
    values[2 * kSize + i] = std::cos(0.1f * i);
  }
  values[kSize] += 0.5f;  // nearly the first
  const auto rows = ToEmbeddings(values, kSize);
  ASSERT_THAT(rows, SizeIs(3));
  for (const auto& row : rows) {
    EXPECT_THAT(row, SizeIs(128));
    EXPECT_NEAR(Dot(row, row), 1, 1e-5);
  }
  EXPECT_GT(Dot(rows[0], rows[1]), 0.99);
  EXPECT_LT(std::abs(Dot(rows[0], rows[2])), 0.4);
  // However many come at once; sums are rounded in another order then.
  EXPECT_THAT(ToEmbeddings({values.begin(), values.begin() + kSize}, kSize)[0],
              Pointwise(FloatNear(1e-5f), rows[0]));
}

TEST(EmbeddingsTest, UpTo128NumbersStayAsTheyAre) {
  EXPECT_FALSE(EmbeddingProjection(128).defined());
  EXPECT_THAT(ToEmbeddings(std::vector<float>(128, 1), 128)[0], SizeIs(128));
  EXPECT_THAT(ToEmbeddings(std::vector<float>(129, 1), 129)[0], SizeIs(128));
  EXPECT_THAT(ToEmbeddings({}, 0), IsEmpty());
}

TEST(AddCountsTest, SumsScoresAndEntropiesByClass) {
  std::vector<float> objects(3, 0), uncertainty(3, 0);
  AddCounts({{{}, 0, 0.5f}, {{}, 0, 0.9f}, {{}, 2, 1.0f}}, 0.5f, &objects, &uncertainty);
  EXPECT_FLOAT_EQ(objects[0], 0.7f);
  EXPECT_FLOAT_EQ(objects[1], 0);
  EXPECT_FLOAT_EQ(objects[2], 0.5f);
  EXPECT_NEAR(uncertainty[0], 0.5 * (0.693147 + 0.325083), 1e-5);
  EXPECT_NEAR(uncertainty[2], 0, 1e-4);  // sure
}

}  // namespace
}  // namespace mgral::core
