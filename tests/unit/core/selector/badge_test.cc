#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/unit/core/selector/object_pool.h"

namespace mgral::core {
namespace {

using testing::StartsWith;

std::vector<int64_t> BadgeOrder(RankInput input, uint64_t seed) {
  input.seed = seed;
  return Rank("badge", input).order;
}

TEST(BadgeTest, TheLongestGradientComesFirst) {
  // Half a score is the least sure; two objects weigh more than one.
  const RankInput input = ObjectPool({{{0, 0.9, kEast}},
                                      {{0, 0.5, kEast}},
                                      {{0, 0.5, kEast}, {0, 0.45, kEast}},
                                      {{0, 0.1, kNorth}}},
                                     1);
  for (uint64_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(BadgeOrder(input, seed)[0], 2);
}

TEST(BadgeTest, CopiesAndEmptyImagesWaitUntilNothingElseIsLeft) {
  std::vector<std::vector<TestObject>> images(20, {{0, 0.5, kEast}});
  images[7] = {{0, 0.5, kNorth}};
  images[9] = {{1, 0.4, kEast}};
  images[11] = {};
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const std::vector<int64_t> order = BadgeOrder(ObjectPool(images, 2), seed);
    std::vector<int64_t> head(order.begin(), order.begin() + 4);
    EXPECT_EQ(head[0], 0) << "ties go by index";
    std::sort(head.begin(), head.end());
    EXPECT_EQ(head, (std::vector<int64_t>{0, 7, 9, 11})) << seed;
  }
}

TEST(BadgeTest, EachNextImageIsDrawnByItsSquaredDistance) {
  // Squared distances from the first: 2 * 0.25 (orthogonal), 0.25 + 0.01 (another class).
  const RankInput input = ObjectPool({{{0, 0.5, kEast}}, {{0, 0.5, kNorth}}, {{1, 0.1, kEast}}}, 2);
  int second = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) second += BadgeOrder(input, seed)[1] == 1;
  EXPECT_NEAR(second / 2000.0, 0.5 / 0.76, 0.04);
}

TEST(BadgeTest, ManyClassesCostNoMoreThanThoseThatAreFound) {
  std::vector<std::vector<TestObject>> images;
  for (int i = 0; i < 500; ++i) {
    images.push_back({{i * 2000000, 0.4, kEast}, {i * 1000, 0.3, kNorth}});
  }
  RankInput input = ObjectPool(images, 1);
  input.candidates.classes = 1000000000;
  EXPECT_EQ(BadgeOrder(input, 1).size(), images.size());
}

TEST(BadgeTest, WithoutEmbeddingsOfObjectsThoseOfTheImageStandIn) {
  RankInput input = ObjectPool({{{0, 0.5, {}}}, {{0, 0.5, {}}}, {{0, 0.5, {}}}}, 1);
  input.objects = {};
  EXPECT_THAT(ObjectPoolRefusal("badge", [](auto& in) { in.objects = {}; }),
              StartsWith("objects: "));
  input.candidates.dim = 2;
  input.candidates.embeddings = {1, 0, 1, 0, 0, 3};
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_EQ(BadgeOrder(input, seed), (std::vector<int64_t>{0, 2, 1}));
  }
}

TEST(BadgeTest, WhatDoesNotFitIsNamed) {
  const auto refused = [](const std::function<void(RankInput&)>& change) {
    return ObjectPoolRefusal("badge", change);
  };
  EXPECT_EQ(refused([](RankInput&) {}), "");
  EXPECT_THAT(refused([](auto& in) { in.candidates.images = -1; }), StartsWith("images: "));
  EXPECT_THAT(refused([](auto& in) { in.predictions.pop_back(); }), StartsWith("predictions: "));
  EXPECT_THAT(refused([](auto& in) { in.predictions[0][0].label = 1; }),
              StartsWith("predictions: "));
  EXPECT_THAT(refused([](auto& in) { in.predictions[0][0].label = -1; }),
              StartsWith("predictions: "));
  for (const double score : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(refused([&](auto& in) { in.predictions[0][0].score = score; }),
                StartsWith("predictions: "));
  }
  EXPECT_THAT(refused([](auto& in) { in.objects.dim = -1; }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.first.pop_back(); }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.first = {0, 2, 2}; }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.first = {0, 1, 0}; }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.first = {1, 1, 1}; }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.values.pop_back(); }), StartsWith("objects: "));
  EXPECT_THAT(refused([](auto& in) { in.candidates.embeddings = {1}; }),
              StartsWith("embeddings: "));
}

}  // namespace
}  // namespace mgral::core
