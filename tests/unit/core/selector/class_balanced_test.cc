#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// `expected` [N, C] objects in the candidates, `labeled` [C].
RankInput Input(const std::vector<float>& expected, const std::vector<double>& labeled) {
  RankInput input;
  input.candidates.classes = static_cast<int64_t>(labeled.size());
  input.candidates.images = static_cast<int64_t>(expected.size() / labeled.size());
  input.candidates.expected_objects = expected;
  input.labeled_objects = labeled;
  input.limit = input.candidates.images;
  return input;
}

std::vector<int64_t> Order(const std::vector<float>& expected, const std::vector<double>& labeled) {
  return Rank("class_balanced", Input(expected, labeled)).order;
}

// The definition, slowly; checks that every image of `order` is the best, or as good.
void ExpectGreedy(const RankInput& input, const std::vector<int64_t>& order) {
  const size_t classes = input.labeled_objects.size();
  const auto expected = [&](int64_t image, size_t c) -> double {
    return input.candidates.expected_objects[image * classes + c];
  };
  std::vector<double> objects = input.labeled_objects;
  const auto gain = [&](int64_t image) {
    double sum = 0;
    for (size_t c = 0; c < classes; ++c) {
      sum += std::log(1 + objects[c] + expected(image, c)) - std::log(1 + objects[c]);
    }
    return sum;
  };
  std::vector<int64_t> left(input.candidates.images);
  std::iota(left.begin(), left.end(), 0);
  for (const int64_t image : order) {
    for (const int64_t other : left) EXPECT_LE(gain(other), gain(image) + 1e-9) << other;
    const auto found = std::find(left.begin(), left.end(), image);
    ASSERT_NE(found, left.end()) << image << " is taken twice";
    left.erase(found);
    for (size_t c = 0; c < classes; ++c) objects[c] += expected(image, c);
  }
}

TEST(ClassBalancedTest, ARareClassComesFirst) {
  EXPECT_THAT(Order({5, 0, 0, 1, 3, 0}, {100, 2}), ElementsAre(1, 0, 2));
  // With as many labels the image of more objects counts.
  EXPECT_THAT(Order({1, 0, 0, 2}, {7, 7}), ElementsAre(1, 0));
}

TEST(ClassBalancedTest, AnImageOfAnotherRareClassComplementsABatch) {
  // 0 and 1 show the rarest class, 2 another one that is rare.
  EXPECT_THAT(Order({1, 0, 0, 1, 0, 0, 0, 0.9f, 0, 0, 0, 9}, {0, 0, 1000}),
              ElementsAre(0, 2, 1, 3));
}

TEST(ClassBalancedTest, WhereNothingIsPredictedComesLastAndTiesGoByIndex) {
  EXPECT_THAT(Order({0, 0, 1e-30f, 0, 0, 0, 0, 0.5f}, {1e6, 3}), ElementsAre(3, 1, 0, 2));
  EXPECT_THAT(Order({1, 0, 0, 1, 1, 0, 0, 1}, {4, 4}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Order({0, 0, 0}, {5}), ElementsAre(0, 1, 2));
}

TEST(ClassBalancedTest, TheLazyOrderIsThatOfTheDefinition) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    RandomStream random(seed);
    std::vector<double> labeled(1 + seed % 6);
    for (double& count : labeled) count = std::floor(30 * random.Uniform());
    std::vector<float> expected(labeled.size() * 80);
    for (float& value : expected) {
      const double number = random.Uniform() < 0.4 ? 4 * random.Uniform() : 0;
      // Of a detector without scores: whole numbers, many images alike.
      value = static_cast<float>(seed % 2 == 0 ? std::floor(number) : number);
    }
    RankInput input = Input(expected, labeled);
    const std::vector<int64_t> all = Rank("class_balanced", input).order;
    ASSERT_EQ(all.size(), 80u);
    ExpectGreedy(input, all);
    EXPECT_EQ(Rank("class_balanced", input).order, all);
    input.limit = 13;
    EXPECT_EQ(Rank("class_balanced", input).order,
              std::vector<int64_t>(all.begin(), all.begin() + 13));
  }
}

TEST(ClassBalancedTest, ManyClassesOfManyObjectsStayInOrder) {
  std::vector<float> expected(3 * 100, 1e14f);
  std::fill(expected.begin(), expected.begin() + 100, 1e13f);
  std::fill(expected.begin() + 200, expected.end(), 1.0f);
  EXPECT_THAT(Order(expected, std::vector<double>(100, 0.0)), ElementsAre(1, 0, 2));
}

TEST(ClassBalancedTest, AnEmptyPoolAndALimitOfNone) {
  EXPECT_THAT(Order({}, {1, 2}), IsEmpty());
  RankInput input = Input({1, 2}, {1, 2});
  input.limit = 0;
  EXPECT_THAT(Rank("class_balanced", input).order, IsEmpty());
}

TEST(ClassBalancedTest, WhatDoesNotFitIsNamed) {
  const auto refused = [](const std::function<void(RankInput&)>& change) -> std::string {
    RankInput input = Input({1, 0, 0, 1}, {3, 4});
    change(input);
    try {
      Rank("class_balanced", input);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  const auto expected = StartsWith("expected_objects: "), labeled = StartsWith("labeled_objects: ");
  EXPECT_EQ(refused([](RankInput&) {}), "");
  EXPECT_THAT(refused([](auto& in) { in.candidates.expected_objects.pop_back(); }), expected);
  EXPECT_THAT(refused([](auto& in) { in.candidates.expected_objects[2] = -1; }), expected);
  EXPECT_THAT(refused([](auto& in) { in.candidates.expected_objects[2] = std::nanf(""); }),
              expected);
  EXPECT_THAT(refused([](auto& in) { in.candidates.expected_objects[2] = INFINITY; }), expected);
  EXPECT_THAT(refused([](auto& in) { in.labeled_objects.pop_back(); }), labeled);
  EXPECT_THAT(refused([](auto& in) { in.labeled_objects[1] = -1; }), labeled);
  EXPECT_THAT(refused([](auto& in) { in.labeled_objects[1] = INFINITY; }), labeled);
  EXPECT_THAT(refused([](auto& in) { in.candidates.images = -1; }), StartsWith("images: "));
  EXPECT_THAT(refused([](auto& in) { in.limit = -1; }), StartsWith("limit: "));
}

}  // namespace
}  // namespace mgral::core
