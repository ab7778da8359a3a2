#include "server/core/detector/readout.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <set>

#include "server/core/detector/replay_probes.h"
#include "server/core/random.h"
#include "tests/unit/core/detector/shapes.h"

namespace mgral::core {
namespace {

using testing_support::Shapes;

constexpr int64_t kClasses = 3, kPositions = 100, kFeatures = 64;

// Images of noise in which an object of class c is `strength` stronger in feature c. Class 2 is
// rare: it is in every fifth image.
std::vector<ReadoutImage> PlantedImages(int64_t count, uint64_t seed, double strength = 3) {
  RandomStream random(seed);
  std::vector<at::Tensor> features;
  std::vector<std::vector<ReadoutObject>> objects(count);
  for (int64_t i = 0; i < count; ++i) {
    at::Tensor rows = torch::zeros({kPositions, kFeatures});
    for (int64_t p = 0; p < kPositions; ++p) {
      for (int64_t f = 0; f < kFeatures; ++f) rows[p][f] = random.Normal();
    }
    for (int64_t c = 0; c < kClasses; ++c) {
      if (c == 2 && i % 5 != 0) continue;
      const int64_t position = random.Below(kPositions);
      rows[position][c] += strength;
      objects[i].push_back({c, {position}});
    }
    features.push_back(rows);
  }
  return ProjectForReadout(features, objects);
}

ReadoutImages Part(const std::vector<ReadoutImage>& images, int64_t first, int64_t last) {
  ReadoutImages part;
  for (int64_t i = first; i < last; ++i) part.push_back(&images[i]);
  return part;
}

TEST(ReadoutTest, RefusesNoImagesAndUnknownClasses) {
  EXPECT_THROW(FitReadout({}, kClasses), std::invalid_argument);
  const std::vector<ReadoutImage> images = PlantedImages(4, 1);
  EXPECT_THROW(FitReadout(Part(images, 0, 4), 1), std::invalid_argument);
  const at::Tensor weights = FitReadout(Part(images, 0, 4), kClasses);
  EXPECT_THROW(MeasureReadout(weights.slice(1, 0, 1), Part(images, 0, 4)), std::invalid_argument);
}

TEST(ReadoutTest, LearnsFromMoreImages) {
  const std::vector<ReadoutImage> images = PlantedImages(90, 2);
  const ReadoutImages held = Part(images, 60, 90);
  double last = 1e9;
  for (const int64_t count : {5, 20, 60}) {
    const ReadoutLoss read = MeasureReadout(FitReadout(Part(images, 0, count), kClasses), held);
    EXPECT_LT(read.loss[0], last) << count;
    last = read.loss[0];
    EXPECT_GT(read.missed[0], 0);
    EXPECT_LT(read.missed[0], 30);
    EXPECT_EQ(read.positives[0], 30);
    EXPECT_EQ(read.positives[2], 6);
  }
}

TEST(ReadoutTest, AClassWithoutObjectsIsMissedAndOneThatIsNotHeldOutIsUnknown) {
  const std::vector<ReadoutImage> images = PlantedImages(10, 3);  // class 2 in images 0 and 5
  const at::Tensor weights = FitReadout(Part(images, 1, 5), kClasses);
  EXPECT_EQ(weights.select(1, 2).abs().max().item<double>(), 0);
  const ReadoutLoss read = MeasureReadout(weights, Part(images, 5, 6));
  EXPECT_NEAR(read.loss[2], 0.2, 1e-6);  // the share of the objects, all of it
  EXPECT_EQ(read.missed[2], 1);
  EXPECT_TRUE(std::isnan(MeasureReadout(weights, Part(images, 6, 10)).loss[2]));
}

TEST(ReadoutTest, SeesPhotographsThroughATrunk) {
  DetectorConfig config;
  config.depth = 18;
  config.width = 0.125;
  config.input_size = 96;
  config.num_classes = 2;
  config.pyramid_channels = 16;
  config.max_level = 6;
  const Detector detector(config, 1);
  Shapes samples(3, 96, 1);
  const std::vector<ReadoutImage> images = DescribeForReadout(detector, samples, nullptr);
  ASSERT_EQ(images.size(), 3);
  for (size_t i = 0; i < images.size(); ++i) {
    EXPECT_EQ(images[i].rows.size(0), 36);
    EXPECT_EQ(static_cast<int64_t>(images[i].objects.size()), samples.Get(i).boxes.size(0));
    for (const ReadoutObject& object : images[i].objects) {
      ASSERT_FALSE(object.rows.empty());
      for (const int64_t row : object.rows) EXPECT_LT(row, 36);
    }
  }
  EXPECT_THROW(DescribeForReadout(detector, samples, nullptr, [](double) { return false; }),
               Canceled);
  const Detector ssd(TorchvisionConfig(Architecture::kSsd300, 2), 1);
  EXPECT_THROW(DescribeForReadout(ssd, samples, nullptr), std::invalid_argument);
}

TEST(ReplayProbesTest, RefusesTooFewImagesAndStops) {
  const std::vector<ReadoutImage> few = PlantedImages(kFewestReplayed - 1, 4);
  EXPECT_THROW(RunReplayBase(few, {}, kClasses, 0, 4, 1), std::invalid_argument);
  const std::vector<ReadoutImage> images = PlantedImages(20, 4);
  EXPECT_THROW(RunReplayBase(images, {}, 1, 0, 4, 1), std::invalid_argument);
  EXPECT_THROW(RunReplayBase(images, {}, kClasses, 0, 4, 1, [](double) { return false; }),
               Canceled);
}

TEST(ReplayProbesTest, BatchesAreOfTheRestAndBothSidesHaveEveryClass) {
  const std::vector<ReadoutImage> images = PlantedImages(20, 5);  // class 2 in four of them
  for (int64_t base = 0; base < 10; ++base) {
    const ReplayBase replay = RunReplayBase(images, {}, kClasses, base, 12, 1);
    const std::set<int64_t> in_base(replay.images.begin(), replay.images.end());
    EXPECT_GE(in_base.size(), 9);
    EXPECT_LE(in_base.size(), 17);
    int64_t rare = 0;
    for (const int64_t i : in_base) rare += i % 5 == 0 ? 1 : 0;
    EXPECT_GE(rare, 1);
    EXPECT_LE(rare, 3);
    ASSERT_EQ(replay.batches.size(), 12);
    for (const ReplayedBatch& probe : replay.batches) {
      const std::set<int64_t> batch(probe.images.begin(), probe.images.end());
      EXPECT_EQ(batch.size(), probe.images.size());
      EXPECT_GE(batch.size(), 1);
      EXPECT_LT(batch.size() + in_base.size(), 20) << "nothing is held out";
      for (const int64_t i : batch) EXPECT_EQ(in_base.count(i), 0);
      for (int64_t c = 0; c < kClasses; ++c) {
        double objects = 0;
        for (const int64_t i : batch) objects += c < 2 || i % 5 == 0 ? 1 : 0;
        EXPECT_LE(probe.missed[c], objects);
        EXPECT_EQ(probe.missed[c] > 0, objects > 0);
      }
    }
  }
}

TEST(ReplayProbesTest, LabelsHelpAndMoreHelpMore) {
  const std::vector<ReadoutImage> images = PlantedImages(60, 6);
  std::vector<ReadoutImage> labeled(images.begin(), images.begin() + 30);
  const std::vector<ReadoutImage> validation(images.begin() + 30, images.end());
  double small = 0, large = 0;
  int64_t smalls = 0, larges = 0;
  for (int64_t base = 0; base < 4; ++base) {
    for (const ReplayedBatch& probe :
         RunReplayBase(labeled, validation, kClasses, base, 24, 1).batches) {
      EXPECT_GE(probe.held_positives[0], 30);
      (probe.images.size() <= 3 ? small : large) += probe.response[0];
      ++(probe.images.size() <= 3 ? smalls : larges);
    }
  }
  ASSERT_GT(smalls, 0);
  ASSERT_GT(larges, 0);
  EXPECT_GT(large / larges, small / smalls);
  EXPECT_GT(large / larges, 0);
}

// A clock that a look at it moves by a second: one per four probes.
TEST(ReplayProbesTest, TimeEndsProbesButNotTheFirst) {
  const std::vector<ReadoutImage> images = PlantedImages(20, 7);
  const ReplayBase all = RunReplayBase(images, {}, kClasses, 2, 18, 1);
  const auto made = [&](double seconds, int64_t fewest) {
    double now = 0;
    const ReplayBase base = RunReplayBase(images, {}, kClasses, 2, 18, 1, {},
                                          {seconds, [&now] { return ++now; }, fewest});
    EXPECT_EQ(base.images, all.images);
    for (size_t p = 0; p < base.batches.size(); ++p) {
      EXPECT_EQ(base.batches[p].images, all.batches[p].images);
      EXPECT_EQ(base.batches[p].response[0], all.batches[p].response[0]);
    }
    return base.batches.size();
  };
  EXPECT_EQ(made(1e-9, 8), 8);
  EXPECT_EQ(made(2, 0), 8);
  EXPECT_EQ(made(3, 8), 12);
  EXPECT_EQ(made(2.5, 0), 12);
  EXPECT_EQ(made(1e-9, 100), 18);
  EXPECT_EQ(made(100, 0), 18);
  EXPECT_EQ(made(0, 0), 18);  // no limit
}

TEST(ReplayProbesTest, ProgressFollowsTheTimeWhereThatEndsFirst) {
  const std::vector<ReadoutImage> images = PlantedImages(20, 7);
  std::vector<double> seen;
  double now = 0;
  RunReplayBase(images, {}, kClasses, 2, 40, 1,
                [&seen](double fraction) {
                  seen.push_back(fraction);
                  return true;
                },
                {2, [&now] { return ++now; }, 12});
  EXPECT_EQ(seen, (std::vector<double>{0.5, 1, 1}));
}

TEST(ReplayProbesTest, FollowsFromItsArguments) {
  const std::vector<ReadoutImage> images = PlantedImages(20, 7);
  const ReplayBase once = RunReplayBase(images, {}, kClasses, 2, 6, 1);
  const ReplayBase again = RunReplayBase(images, {}, kClasses, 2, 6, 1);
  EXPECT_EQ(once.images, again.images);
  for (size_t p = 0; p < 6; ++p) {
    EXPECT_EQ(once.batches[p].images, again.batches[p].images);
    EXPECT_EQ(once.batches[p].response[0], again.batches[p].response[0]);
  }
  EXPECT_NE(once.images, RunReplayBase(images, {}, kClasses, 3, 6, 1).images);
  EXPECT_NE(once.images, RunReplayBase(images, {}, kClasses, 2, 6, 2).images);
}

}  // namespace
}  // namespace mgral::core
