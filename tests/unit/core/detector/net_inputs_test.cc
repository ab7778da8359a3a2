#include "server/core/detector/net_inputs.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/core/detector/embed.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/train.h"
#include "tests/unit/core/detector/shapes.h"

namespace mgral::core {
namespace {

using testing_support::Shapes;

DetectorConfig Frozen() {
  DetectorConfig config;
  config.depth = 18;
  config.width = 0.25;
  config.frozen_trunk = true;
  config.separable = true;
  config.input_size = 96;
  config.num_classes = 2;
  config.pyramid_channels = 16;
  config.head_convs = 1;
  config.head_norm = true;
  config.max_level = 6;
  config.anchor_scale = 2;
  config.anchor_scales = 1;
  config.anchor_ratios = {1};
  return config;
}

TrainConfig Short() {
  TrainConfig config;
  config.steps = 6;
  config.batch_size = 4;
  config.shards = 2;
  config.optimizer = OptimizerKind::kAdamW;
  config.assignment = Assignment::kAdaptive;
  config.box_loss = BoxLoss::kGeneralizedIou;
  config.learning_rate = 0.004;
  config.warmup_steps = 2;
  config.views = 4;
  config.seed = 3;
  return config;
}

// Named images, so that their features can be kept.
Shapes Named(int64_t count, int64_t size) {
  Shapes shapes(count, size, 7);
  for (int64_t i = 0; i < count; ++i) {
    shapes.samples()[i].content = "image " + std::to_string(size) + "/" + std::to_string(i);
  }
  return shapes;
}

std::vector<Sample> AllOf(Shapes& shapes) {
  std::vector<Sample> all;
  for (int64_t i = 0; i < shapes.size(); ++i) all.push_back(CheckedSample(shapes.Get(i), 2, "x"));
  return all;
}

// Counts what is found and kept.
class CountingCache : public MemoryFeatureCache {
 public:
  CountingCache() : MemoryFeatureCache(1 << 30) {}
  ViewFeatures Find(const std::string& content, const std::string& view) override {
    ViewFeatures found = MemoryFeatureCache::Find(content, view);
    (found.empty() ? missed : hit)++;
    return found;
  }
  std::atomic<int> hit{0}, missed{0};
};

void ExpectSameWeights(const Detector& a, const Detector& b) {
  const std::map<std::string, at::Tensor> expected = b.net().State();
  for (const auto& [name, tensor] : a.net().State()) {
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
  }
}

class NetInputsTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(2); }

  Detector detector_{Frozen(), 1};
};

TEST_F(NetInputsTest, FeaturesAreWhatTheTrunkMakesOfTheImages) {
  Shapes shapes = Named(2, 96);
  Workers workers(2);
  const NetInputs inputs(detector_, nullptr, workers);
  const Letterboxed plain = inputs.Plain(AllOf(shapes));
  EXPECT_FALSE(plain.input.images.defined());
  EXPECT_EQ(plain.input.height, 96);
  c10::NoGradGuard no_grad;
  const Letterboxed images =
      Letterbox({shapes.Get(0).image, shapes.Get(1).image}, Frozen(), workers);
  const std::vector<at::Tensor> expected = detector_.net().Features(images.input.images);
  ASSERT_EQ(plain.input.features.size(), expected.size());
  for (size_t level = 0; level < expected.size(); ++level) {
    EXPECT_TRUE(at::allclose(plain.input.features[level], expected[level], 1e-3, 1e-3));
  }
  const NetInput mirrored = inputs.Mirrored(AllOf(shapes), plain.input);
  const std::vector<at::Tensor> flipped =
      detector_.net().Features(images.input.images.flip(3).contiguous());
  EXPECT_TRUE(at::allclose(mirrored.features[0], flipped[0], 1e-3, 1e-3));
}

TEST_F(NetInputsTest, ImagesOfSeveralSizesShareABatch) {
  Shapes large = Named(1, 96);
  std::vector<Sample> samples = AllOf(large);
  Sample wide;
  wide.image = at::full({3, 20, 96}, 77, at::kByte);  // a canvas of 32 x 96
  samples.push_back(CheckedSample(wide, 2, "wide"));
  Sample high;
  high.image = at::full({3, 96, 20}, 77, at::kByte);  // 96 x 32
  high.boxes = at::tensor({0.f, 10.f, 5.f, 20.f}).view({1, 4});
  high.labels = at::zeros({1}, at::kLong);
  samples.push_back(CheckedSample(high, 2, "high"));
  Workers workers(2);
  const NetInputs inputs(detector_, nullptr, workers);
  const NetInput plain = inputs.Plain(samples).input, mirror = inputs.Mirrored(samples, plain);
  EXPECT_EQ(plain.height, 96);
  EXPECT_EQ(plain.width, 96);
  const at::Tensor level = plain.features[0];  // stride 8: [3, C, 12, 12]
  EXPECT_EQ(level[1].slice(1, 4).abs().sum().item<double>(), 0);
  EXPECT_EQ(level[2].slice(2, 4).abs().sum().item<double>(), 0);
  // A mirror image lies at the right edge, and so do its labels.
  EXPECT_EQ(mirror.features[0][2].slice(2, 0, 8).abs().sum().item<double>(), 0);
  EXPECT_GT(mirror.features[0][2].slice(2, 8).abs().sum().item<double>(), 0);
  const Sample labels = LabelsOfView(samples[2], 1, Frozen(), TrainConfig(), mirror.width);
  EXPECT_EQ(labels.boxes[0][0].item<float>(), 91);
  EXPECT_EQ(labels.boxes[0][2].item<float>(), 96);
}

TEST_F(NetInputsTest, EveryImageIsSeenByTheTrunkOncePerView) {
  Shapes shapes = Named(3, 96);
  CountingCache cache;
  Workers workers(2);
  const NetInputs inputs(detector_, &cache, workers);
  const std::vector<Sample> samples = AllOf(shapes);
  const Letterboxed first = inputs.Plain(samples);
  EXPECT_EQ(cache.missed, 3);
  const Letterboxed second = inputs.Plain(samples);
  EXPECT_EQ(cache.missed, 3);
  EXPECT_EQ(cache.hit, 3);
  EXPECT_TRUE(at::equal(first.input.features[2], second.input.features[2]));
  for (uint64_t step = 0; step < 50; ++step) inputs.Augmented(samples, Short(), 1, step);
  EXPECT_EQ(cache.missed, 3 * Short().views);
}

TEST_F(NetInputsTest, AnImageWithoutANameIsNotKept) {
  Shapes shapes(1, 96, 7);
  CountingCache cache;
  Workers workers(1);
  NetInputs(detector_, &cache, workers).Plain(AllOf(shapes));
  EXPECT_EQ(cache.missed, 0);
  EXPECT_EQ(cache.hit, 0);
}

TEST_F(NetInputsTest, TheCacheChangesNothingButTheTime) {
  Shapes shapes = Named(6, 96);
  CountingCache cache;
  Detector other = detector_.Clone();
  Train(detector_, shapes, Short());
  Train(other, shapes, Short(), {}, {}, &cache);
  EXPECT_GT(cache.hit, 0);
  ExpectSameWeights(detector_, other);
  const auto bare = Embed(detector_, shapes), cached = Embed(detector_, shapes, {}, {}, &cache);
  for (size_t i = 0; i < bare.size(); ++i) EXPECT_EQ(bare[i].embedding, cached[i].embedding);
}

TEST_F(NetInputsTest, AnotherModelWithTheTrunkPredictsFromTheCache) {
  Shapes shapes = Named(3, 96);
  const std::vector<Sample> samples = AllOf(shapes);
  std::vector<at::Tensor> images;
  for (const Sample& sample : samples) images.push_back(sample.image);
  Detector other = detector_.Clone();
  Train(other, shapes, Short());
  CountingCache cache;
  PredictConfig config;
  config.min_score = 0.001f;
  Predict(detector_, samples, config, &cache);
  EXPECT_EQ(cache.missed, 3);
  const auto expected = Predict(other, images, config);
  const auto found = Predict(other, samples, config, &cache);
  EXPECT_EQ(cache.missed, 3);
  for (size_t i = 0; i < samples.size(); ++i) {
    ASSERT_EQ(found[i].size(), expected[i].size());
    for (size_t d = 0; d < found[i].size(); ++d) {
      EXPECT_EQ(found[i][d].score, expected[i][d].score);
      EXPECT_EQ(found[i][d].box.x_min, expected[i][d].box.x_min);
    }
  }
}

TEST_F(NetInputsTest, TrainingLeavesAFrozenTrunkAlone) {
  Shapes shapes = Named(4, 96);
  const std::map<std::string, at::Tensor> state = detector_.net().State();
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : state) before[name] = tensor.clone();
  Train(detector_, shapes, Short());
  bool learned = false;
  for (const auto& [name, tensor] : detector_.net().State()) {
    if (name.rfind("backbone.body.", 0) == 0) {
      EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
    } else {
      learned |= !at::equal(tensor, before.at(name));
    }
  }
  EXPECT_TRUE(learned);
}

TEST(Views, LabelsFollowTheImage) {
  // One bright square on black: wherever a view shows it, its box is there.
  Sample sample;
  sample.image = at::zeros({3, 60, 96}, at::kByte);
  sample.image.slice(1, 20, 40).slice(2, 30, 50).fill_(255);
  sample.boxes = at::tensor({30.f, 20.f, 50.f, 40.f}).view({1, 4});
  sample.labels = at::zeros({1}, at::kLong);
  sample = CheckedSample(sample, 1, "square");
  const TrainConfig config;
  for (int64_t view = 0; view < 12; ++view) {
    const at::Tensor canvas = ViewOf(sample, view, Frozen(), config);
    ASSERT_EQ(canvas.sizes(), (at::IntArrayRef{3, 64, 96}));
    const Sample labels = LabelsOfView(sample, view, Frozen(), config, 96);
    const at::Tensor bright = (canvas[0] > 0.5).nonzero();
    if (labels.boxes.size(0) == 0) {
      EXPECT_LT(bright.size(0), 2) << view;
      continue;
    }
    const at::Tensor low = std::get<0>(bright.min(0)), high = std::get<0>(bright.max(0));
    EXPECT_NEAR(labels.boxes[0][0].item<float>(), low[1].item<float>(), 2) << view;
    EXPECT_NEAR(labels.boxes[0][1].item<float>(), low[0].item<float>(), 2) << view;
    EXPECT_NEAR(labels.boxes[0][2].item<float>(), high[1].item<float>() + 1, 2) << view;
    EXPECT_NEAR(labels.boxes[0][3].item<float>(), high[0].item<float>() + 1, 2) << view;
  }
}

TEST(Views, ImagesDifferInTheirViews) {
  Shapes shapes(1, 96, 7);
  Sample one = shapes.Get(0), other = one;
  one.content = "one";
  other.content = "other";
  const TrainConfig config;
  EXPECT_TRUE(at::equal(ViewOf(one, 1, Frozen(), config), ViewOf(other, 1, Frozen(), config)));
  EXPECT_FALSE(at::equal(ViewOf(one, 2, Frozen(), config), ViewOf(other, 2, Frozen(), config)));
}

TEST(Views, TheirNamesSayEverythingThatTheyShow) {
  TrainConfig config, other;
  other.scale_max = 1.2;
  EXPECT_NE(ViewName(0, config), ViewName(1, config));
  EXPECT_EQ(ViewName(1, config), ViewName(1, other));  // all of the image, whatever the scales
  EXPECT_NE(ViewName(2, config), ViewName(2, other));
  EXPECT_NE(ViewName(2, config), ViewName(4, config));
}

TEST(MemoryFeatureCache, DropsTheLeastRecentlyUsed) {
  const ViewFeatures hundred = {at::zeros({10, 5, 1}, at::kHalf)};
  MemoryFeatureCache cache(250);
  cache.Keep("a", "whole", hundred);
  cache.Keep("b", "whole", hundred);
  EXPECT_FALSE(cache.Find("a", "whole").empty());
  cache.Keep("c", "whole", hundred);
  EXPECT_FALSE(cache.Find("a", "whole").empty());
  EXPECT_TRUE(cache.Find("b", "whole").empty());
  EXPECT_TRUE(cache.Find("a", "mirror-whole").empty());
}

TEST(MemoryFeatureCache, WhatIsLargerThanItIsNotKept) {
  MemoryFeatureCache cache(10);
  cache.Keep("a", "whole", {at::zeros({10, 5, 1}, at::kHalf)});
  EXPECT_TRUE(cache.Find("a", "whole").empty());
}

}  // namespace
}  // namespace mgral::core
