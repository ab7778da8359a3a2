#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "server/core/random.h"
#include "tests/unit/core/selector/object_pool.h"

namespace mgral::core {
namespace {

using testing::ElementsAre;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::vector<int64_t> PpalOrder(const RankInput& input) { return Rank("ppal", input).order; }

TEST(PpalTest, OnlyTheMostUncertainFourTimesABatchAreCompared) {
  // Eight unsure images for a batch of two, all alike; the sure ones differ but must wait.
  std::vector<std::vector<TestObject>> images(8, {{0, 0.5, kEast}});
  images.insert(images.begin(), {{0, 0.95, kWest}});
  images.push_back({{1, 0.95, kNorth}});
  const std::vector<int64_t> order = PpalOrder(ObjectPool(images, 2));
  EXPECT_THAT(order[0], testing::AllOf(testing::Ge(1), testing::Le(8)));
  EXPECT_THAT(order[1], testing::AllOf(testing::Ge(1), testing::Le(8)));
}

TEST(PpalTest, ABatchIsOfImagesWhoseObjectsDiffer) {
  const RankInput input = ObjectPool({{{0, 0.5, kEast}},
                                      {{0, 0.5, kEast}},
                                      {{0, 0.5, kEast}},
                                      {{0, 0.49, kNorth}},
                                      {{0, 0.49, kNorth}},
                                      {{1, 0.48, kEast}}},
                                     2);
  RankInput three = input;
  three.batch_size = 3;
  std::vector<int64_t> batch = PpalOrder(three);
  batch.resize(3);
  EXPECT_THAT(batch, ElementsAre(0, 5, 3)) << "another class is farther than another look";
  // The next batch keeps away from the one before it.
  EXPECT_THAT(PpalOrder(input), ElementsAre(0, 5, 3, 1, 2, 4));
}

TEST(PpalTest, ADifficultClassWeighsMore) {
  RankInput input = ObjectPool({{{0, 0.5, kEast}}, {{1, 0.5, kEast}}}, 2);
  input.batch_size = 1;
  input.class_ap = {0.9, 0.1};
  EXPECT_EQ(PpalOrder(input)[0], 1);
  input.class_ap = {0.1, 0.9};
  EXPECT_EQ(PpalOrder(input)[0], 0);
  // At most 1.2 times as much: an image of two objects is ahead.
  input = ObjectPool({{{0, 0.5, kEast}, {0, 0.5, kEast}}, {{1, 0.5, kEast}}}, 2);
  input.batch_size = 1;
  input.class_ap = {1, 0};
  EXPECT_EQ(PpalOrder(input)[0], 0);
}

TEST(PpalTest, TheMedoidOfAClusterStandsForIt) {
  // Directions at 0, 30, and 60 degrees: the middle one is nearest to the others.
  const RankInput input = ObjectPool(
      {{{0, 0.5, {127, 0}}}, {{0, 0.49, {110, 63}}}, {{0, 0.48, {63, 110}}}, {{1, 0.4, kEast}}}, 2);
  EXPECT_THAT(PpalOrder(input), ElementsAre(1, 3, 2, 0));
}

TEST(PpalTest, ImagesWithoutObjectsComeLast) {
  RankInput input = ObjectPool({{}, {{0, 0.1, kEast}}, {}}, 1);
  for (const int64_t batch : {1, 2, 3}) {
    input.batch_size = batch;
    EXPECT_THAT(PpalOrder(input), ElementsAre(1, 0, 2));
  }
}

TEST(PpalTest, BatchesBeyondARoundAreStillDistinct) {
  RandomStream random(4);
  std::vector<std::vector<TestObject>> images;
  for (int i = 0; i < 620; ++i) {
    images.push_back({{static_cast<int32_t>(random.Below(3)),
                       random.Uniform(),
                       {static_cast<int8_t>(random.Below(100)), 50}}});
  }
  RankInput input = ObjectPool(images, 3);
  input.batch_size = 600;
  std::vector<int64_t> order = PpalOrder(input);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order.size(), 620u);
  EXPECT_EQ(std::unique(order.begin(), order.end()), order.end());
}

TEST(PpalTest, WithoutEmbeddingsOfObjectsThoseOfTheImageStandIn) {
  RankInput input =
      ObjectPool({{{0, 0.5, {}}}, {{0, 0.49, {}}}, {{0, 0.48, {}}}, {{0, 0.47, {}}}}, 1);
  input.objects = {};
  input.candidates.dim = 2;
  input.candidates.embeddings = {1, 0, 1, 0, 0, 3, 1, 0};
  std::vector<int64_t> batch = PpalOrder(input);
  batch.resize(2);
  EXPECT_THAT(batch, UnorderedElementsAre(0, 2));
  EXPECT_THAT(ObjectPoolRefusal("ppal", [](auto& in) { in.objects = {}; }),
              StartsWith("objects: "));
}

TEST(PpalTest, WhatDoesNotFitIsNamed) {
  const auto refused = [](const std::function<void(RankInput&)>& change) {
    return ObjectPoolRefusal("ppal", change);
  };
  EXPECT_EQ(refused([](RankInput&) {}), "");
  EXPECT_THAT(refused([](auto& in) { in.class_ap.clear(); }), StartsWith("class_ap: "));
  for (const double ap : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(refused([&](auto& in) { in.class_ap[0] = ap; }), StartsWith("class_ap: "));
  }
  EXPECT_THAT(refused([](auto& in) { in.batch_size = 0; }), StartsWith("batch_size: "));
  EXPECT_THAT(refused([](auto& in) { in.predictions[0][0].score = 2; }),
              StartsWith("predictions: "));
  EXPECT_THAT(refused([](auto& in) { in.objects.values.pop_back(); }), StartsWith("objects: "));
}

}  // namespace
}  // namespace mgral::core
