#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

using testing::IsEmpty;
using testing::StartsWith;

// Image i is at place i % distinct, off by far less than what tells the places apart.
RankInput Copies(int64_t images, int64_t distinct) {
  RandomStream random(5);
  RankInput input;
  input.candidates.images = images;
  input.candidates.dim = 3;
  std::vector<double> places(distinct * 3);
  for (double& value : places) value = random.Normal();
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      input.candidates.embeddings.push_back(
          static_cast<float>(places[i % distinct * 3 + j] + 1e-5 * random.Normal()));
    }
  }
  input.limit = images;
  return input;
}

TEST(RandomDeduplicatedTest, NearDuplicatesComeAfterOneOfEach) {
  RankInput input = Copies(60, 12);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    input.seed = seed;
    const std::vector<int64_t> order = Rank("random_deduplicated", input).order;
    std::set<int64_t> places;
    for (int k = 0; k < 12; ++k) places.insert(order[k] % 12);
    EXPECT_EQ(places.size(), 12u) << seed;
  }
}

TEST(RandomDeduplicatedTest, NearDuplicatesOfLabeledImagesComeLast) {
  RankInput input = Copies(60, 12);
  input.labeled_embeddings.assign(input.candidates.embeddings.begin(),
                                  input.candidates.embeddings.begin() + 4 * 3);
  const std::vector<int64_t> order = Rank("random_deduplicated", input).order;
  for (int k = 0; k < 8; ++k) EXPECT_GE(order[k] % 12, 4) << k;
}

TEST(RandomDeduplicatedTest, WithoutDuplicatesItIsRandom) {
  RandomStream random(1);
  RankInput input;
  input.candidates.images = 40;
  input.candidates.dim = 8;
  for (int k = 0; k < 40 * 8; ++k) {
    input.candidates.embeddings.push_back(static_cast<float>(random.Normal()));
  }
  input.limit = 40;
  input.seed = 3;
  EXPECT_EQ(Rank("random_deduplicated", input).order, Rank("random", input).order);
}

TEST(RandomDeduplicatedTest, WhatDoesNotFitIsNamed) {
  const auto refused = [](const std::function<void(RankInput&)>& change) -> std::string {
    RankInput input = Copies(6, 3);
    change(input);
    try {
      Rank("random_deduplicated", input);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refused([](RankInput&) {}), "");
  EXPECT_THAT(refused([](auto& in) { in.candidates.embeddings.pop_back(); }),
              StartsWith("embeddings: "));
  EXPECT_THAT(refused([](auto& in) { in.candidates.embeddings[1] = std::nanf(""); }),
              StartsWith("embeddings: "));
  EXPECT_THAT(refused([](auto& in) { in.labeled_embeddings = {1}; }),
              StartsWith("labeled_embeddings: "));
  EXPECT_THAT(refused([](auto& in) {
                in.labeled_embeddings = {1, 2, INFINITY};
              }),
              StartsWith("labeled_embeddings: "));
  EXPECT_THAT(refused([](auto& in) {
                in.candidates.dim = 0;
                in.candidates.embeddings.clear();
              }),
              StartsWith("dim: "));
}

}  // namespace
}  // namespace mgral::core
