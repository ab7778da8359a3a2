#include "server/cycle/realized_gain.h"

#include <gtest/gtest.h>

#include <cmath>

#include "server/cycle/seed.h"

namespace mgral::cycle {
namespace {

domain::Image ImageOf(int64_t key) {
  domain::Image image;
  image.key = key;
  return image;
}

TEST(MixSeedTest, DiffersByPurposeAndStaysNonNegative) {
  EXPECT_EQ(MixSeed(5, 1), MixSeed(5, 1));
  EXPECT_NE(MixSeed(5, 1), MixSeed(5, 2));
  EXPECT_NE(MixSeed(5, 1), MixSeed(6, 1));
  for (uint64_t i = 0; i < 100; ++i) EXPECT_LT(MixSeed(~0ull, i), uint64_t{1} << 62);
}

domain::Batch MakeBatch(const std::string& id, const std::vector<int64_t>& labeled) {
  domain::Batch batch;
  batch.batch_id = id;
  batch.estimated_gain = domain::Gain{0.1, 0.03, {}, {}};
  for (const int64_t key : labeled) {
    domain::BatchImage image;
    image.image_key = key;
    image.state = domain::ImageState::kLabeled;
    batch.images.push_back(image);
  }
  return batch;
}

TEST(ShareRealizedGainTest, EveryFreshImageHasTheSameShare) {
  TrainedCycle trained;
  trained.inputs.previous = PreviousSnapshot{"", "", "", {0.2, std::nan("")}, 0.2};
  trained.class_ap50 = {0.6, 0.5};
  trained.map50 = 0.6;
  std::vector<domain::Example> before = {{ImageOf(1), {}}};
  std::vector<domain::Example> now = before;
  for (int64_t key = 2; key <= 5; ++key) now.push_back({ImageOf(key), {}});
  const std::vector<domain::Batch> batches = {
      MakeBatch("a", {2}), MakeBatch("b", {3, 4}),
      MakeBatch("late", {5, 99}),  // 99 came after the training began
      MakeBatch("empty", {})};
  const RealizedShare share = ShareRealizedGain(trained, batches, now, before);
  ASSERT_EQ(share.batches.size(), 2u);
  EXPECT_NEAR(share.batches[0].gain.mean, 0.1, 1e-12);
  EXPECT_NEAR(share.batches[1].gain.mean, 0.2, 1e-12);
  EXPECT_NEAR(share.batches[1].gain.class_mean[0], 0.2, 1e-12);
  EXPECT_TRUE(std::isnan(share.batches[1].gain.class_mean[1]));
  EXPECT_NEAR(share.predicted, 0.2, 1e-12);
  EXPECT_NEAR(share.predicted_standard_error, 0.03 * std::sqrt(2), 1e-12);
  EXPECT_NEAR(*share.realized, 0.4, 1e-12);
  // Without a model before, or a measurement, nothing can be said.
  trained.map50 = std::nan("");
  EXPECT_FALSE(ShareRealizedGain(trained, batches, now, before).realized.has_value());
  trained.inputs.previous.reset();
  EXPECT_TRUE(ShareRealizedGain(trained, batches, now, before).batches.empty());
}

}  // namespace
}  // namespace mgral::cycle
