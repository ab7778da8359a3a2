#include "server/cycle/uniform_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace mgral::cycle {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Keys of `images` images, as far apart as a database gives them, best first.
std::vector<int64_t> Ranked(int64_t images, uint64_t seed = 1) {
  std::vector<int64_t> keys(images);
  for (int64_t i = 0; i < images; ++i) keys[i] = 1000 + 7 * i;
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(seed));
  return keys;
}

std::vector<int64_t> First(std::vector<int64_t> keys, int64_t n) {
  keys.resize(n);
  return keys;
}

TEST(UniformShareTest, EveryPrefixHasItsShare) {
  for (const double share : {0.01, 0.15, 0.29, 1.0 / 3, 0.5, 0.9, 0.999}) {
    for (const int64_t images : {1, 2, 7, 40, 500}) {
      const std::vector<int64_t> ranked = Ranked(images);
      const RankedQueue queue = InterleaveUniform(ranked, ranked, share, 5);
      ASSERT_THAT(queue.image_keys, SizeIs(images));
      ASSERT_THAT(queue.uniform, SizeIs(images));
      int64_t uniform = 0;
      for (int64_t n = 1; n <= images; ++n) {
        uniform += queue.uniform[n - 1] ? 1 : 0;
        EXPECT_EQ(uniform, UniformCount(n, share)) << share << ", " << n << " of " << images;
      }
    }
  }
}

TEST(UniformShareTest, NoImageComesTwiceAndNoneIsLost) {
  for (const double share : {0.15, 0.5, 0.97}) {
    for (const uint64_t seed : {1, 2, 3}) {
      std::vector<int64_t> ranked = Ranked(300, seed);
      std::vector<int64_t> queue = InterleaveUniform(ranked, ranked, share, seed).image_keys;
      std::sort(ranked.begin(), ranked.end());
      std::sort(queue.begin(), queue.end());
      EXPECT_EQ(queue, ranked);
    }
  }
}

TEST(UniformShareTest, TheRestKeepsItsOrder) {
  const std::vector<int64_t> ranked = Ranked(200);
  const RankedQueue queue = InterleaveUniform(ranked, ranked, 0.15, 5);
  std::vector<int64_t> chosen, expected;
  for (size_t i = 0; i < queue.image_keys.size(); ++i) {
    if (!queue.uniform[i]) chosen.push_back(queue.image_keys[i]);
  }
  for (const int64_t key : ranked) {
    if (std::find(chosen.begin(), chosen.end(), key) != chosen.end()) expected.push_back(key);
  }
  EXPECT_EQ(chosen, expected);
}

TEST(UniformShareTest, WithoutAShareNothingChanges) {
  const std::vector<int64_t> ranked = Ranked(50);
  const RankedQueue queue = InterleaveUniform(ranked, ranked, 0, 5);
  EXPECT_EQ(queue.image_keys, ranked);
  EXPECT_THAT(queue.uniform, SizeIs(50));
  EXPECT_THAT(queue.uniform, Each(false));
  EXPECT_THAT(InterleaveUniform({}, {}, 0.15, 5).image_keys, IsEmpty());
}

TEST(UniformShareTest, SharesThatDoublesCannotHoldAreCountedExactly) {
  EXPECT_EQ(UniformCount(100, 0.29), 29);
  EXPECT_EQ(UniformCount(100, 0.57), 57);
  EXPECT_EQ(UniformCount(20, 0.15), 3);
  EXPECT_EQ(UniformCount(6, 0.15), 0);
  EXPECT_EQ(UniformCount(10'000, 0.07), 700);
}

// Also from what the queue would never have reached.
TEST(UniformShareTest, DrawsFromTheWholePoolUniformly) {
  const std::vector<int64_t> pool = Ranked(1000);
  const std::vector<int64_t> ranked = First(pool, 100);
  int64_t draws = 0, beyond = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const RankedQueue queue = InterleaveUniform(ranked, pool, 0.15, seed);
    ASSERT_THAT(queue.image_keys, SizeIs(100));
    for (size_t i = 0; i < 100; ++i) {
      if (!queue.uniform[i]) continue;
      ++draws;
      const auto place = std::find(pool.begin(), pool.end(), queue.image_keys[i]);
      beyond += place - pool.begin() >= 100 ? 1 : 0;
    }
  }
  EXPECT_EQ(draws, 400 * 15);
  // Of 900 among 1000 - (what the queue holds before); the standard deviation is 0.003.
  EXPECT_NEAR(static_cast<double>(beyond) / draws, 0.94, 0.02);
}

TEST(UniformShareTest, PoolsOfTheSameImagesDrawTheSame) {
  const std::vector<int64_t> pool = Ranked(100);
  std::vector<int64_t> other = pool;  // the same images, registered again
  for (int64_t& key : other) key += 5000;
  std::vector<int64_t> drawn = InterleaveUniform(other, other, 0.3, 8).image_keys;
  for (int64_t& key : drawn) key -= 5000;
  EXPECT_EQ(drawn, InterleaveUniform(pool, pool, 0.3, 8).image_keys);
}

TEST(UniformShareTest, TheSeedDecides) {
  const std::vector<int64_t> ranked = Ranked(100);
  const auto queue = [&](uint64_t seed) {
    return InterleaveUniform(ranked, ranked, 0.3, seed).image_keys;
  };
  EXPECT_THAT(queue(8), ElementsAreArray(queue(8)));
  EXPECT_NE(queue(8), queue(9));
}

}  // namespace
}  // namespace mgral::cycle
