#include "server/core/detector/embed_objects.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mgral::core {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EmbedObjectsTest, AnEmbeddingIsOfWhatTheBoxHolds) {
  at::Tensor level = at::zeros({2, 2, 8, 8});
  level[1][0].slice(1, 0, 4).fill_(3);  // the second image: channel 0 left, channel 1 right
  level[1][1].slice(1, 4, 8).fill_(-0.5);
  const ObjectEmbedder embedder({2});
  EXPECT_EQ(embedder.dim(), 2);
  EXPECT_THAT(embedder.Embed({level}, {8}, 1, {{0, 0, 20, 64}, {44, 0, 64, 64}}),
              ElementsAre(127, 0, 0, -127));
  EXPECT_THAT(embedder.Embed({level}, {8}, 0, {{0, 0, 20, 64}}), Each(0));
  EXPECT_THAT(embedder.Embed({level}, {8}, 1, {}), IsEmpty());
}

TEST(EmbedObjectsTest, ABoxIsLookedAtOnTheLevelOfItsSize) {
  const std::vector<at::Tensor> levels = {at::ones({1, 2, 16, 16}), at::ones({1, 2, 8, 8})};
  levels[1].select(1, 0).fill_(-1);
  EXPECT_THAT(ObjectEmbedder({2, 2}).Embed(levels, {8, 16}, 0, {{0, 0, 90, 90}, {0, 0, 3, 3}}),
              ElementsAre(-127, 127, 127, 127));
}

TEST(EmbedObjectsTest, ManyChannelsAreProjectedAndKeepTheirAnglesAbout) {
  const ObjectEmbedder embedder({512, 64});
  EXPECT_EQ(embedder.dim(), 32);
  at::Tensor level = at::zeros({1, 512, 4, 4});
  const at::Tensor wave = at::sin(at::arange(512, at::kFloat)).view({512, 1, 1});
  level[0].slice(2, 0, 2) += wave;
  level[0].slice(2, 2, 4) += wave.roll(1, 0).abs();
  const std::vector<int8_t> out = embedder.Embed({level, at::zeros({1, 64, 2, 2})}, {8, 16}, 0,
                                                 {{0, 0, 8, 16}, {0, 8, 8, 30}, {24, 0, 32, 32}});
  ASSERT_EQ(out.size(), 3u * 32);
  const auto cosine = [&](int a, int b) {
    double dot = 0, aa = 0, bb = 0;
    for (int j = 0; j < 32; ++j) {
      dot += out[a * 32 + j] * out[b * 32 + j];
      aa += out[a * 32 + j] * out[a * 32 + j];
      bb += out[b * 32 + j] * out[b * 32 + j];
    }
    return dot / std::sqrt(aa * bb);
  };
  EXPECT_GT(cosine(0, 1), 0.999) << "the same is seen in both";
  EXPECT_LT(std::abs(cosine(0, 2)), 0.6);
}

}  // namespace
}  // namespace mgral::core
