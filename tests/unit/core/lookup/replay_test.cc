#include "server/core/lookup/replay.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

// Four labeled images of two classes.
TableInput Labeled() {
  TableInput input;
  input.candidates.classes = 2;
  input.class_ap = {0.5, 0.5};
  input.labeled_objects = {2, 0, 1, 4, 0, 3, 0, 1};
  return input;
}

TEST(ReplayTest, WithoutProbesAllIsMissed) {
  EXPECT_EQ(MissedShare(Labeled(), {}), (std::vector<double>{1, 1}));
}

TEST(ReplayTest, OfAClassWithFewObjectsTheShareOfAllClassesIsMissed) {
  ReplayBase base;  // half of the 400 objects of class 0, and all of the only one of class 1
  base.batches.assign(200, {{0}, {}, {}, {}, {1, 0}});
  base.batches.push_back({{3}, {}, {}, {}, {0, 1}});
  const std::vector<double> share = MissedShare(Labeled(), {base, base});
  EXPECT_NEAR(share[0], 0.5, 0.01);
  EXPECT_GT(share[1], share[0]);
  EXPECT_LT(share[1], 0.6);
}

TEST(ReplayTest, AProbeGrowsByWhatItsBaseMissed) {
  const PlantedPool pool(30, 2, 3, 1);
  const LookupTable table = DescribePool(pool.input);
  const std::vector<float> reach = LabeledReach(pool.input);
  ReplayBase base;
  base.images = {0, 1, 2};
  base.batches.push_back({{3, 4}, {0.1, 0.2}, {}, {8, 8}, {1, 0}});
  const std::vector<ReplayProbe> rows = ReplayRows(pool.input, table, reach, {base});
  ASSERT_EQ(rows.size(), 1);
  double known = 0;
  for (const int64_t i : base.images) known += pool.input.labeled_objects[i * 2];
  EXPECT_NEAR(rows[0].features[kGrowth], std::log((known + 1 + 1) / (known + 1)), 1e-12);
  EXPECT_EQ(rows[0].features[kNumFeatures + kGrowth], 0) << "class 1 was seen already";
  base.batches[0].missed.clear();  // as earlier releases left it
  double all = 0;
  for (const int64_t i : base.batches[0].images) all += pool.input.labeled_objects[i * 2];
  EXPECT_NEAR(ReplayRows(pool.input, table, reach, {base})[0].features[kGrowth],
              std::log((known + 1 + all) / (known + 1)), 1e-12);
  base.batches[0].missed = {1};
  EXPECT_THROW(ReplayRows(pool.input, table, reach, {base}), std::invalid_argument);
  base.batches[0].missed = {1, std::nan("")};
  EXPECT_THROW(ReplayRows(pool.input, table, reach, {base}), std::invalid_argument);
  EXPECT_THROW(MissedShare(pool.input, {base}), std::invalid_argument);
  base.batches[0] = {{99}, {}, {}, {}, {1, 0}};
  EXPECT_THROW(ReplayRows(pool.input, table, reach, {base}), std::invalid_argument);
  EXPECT_THROW(MissedShare(pool.input, {base}), std::invalid_argument);
}

}  // namespace
}  // namespace mgral::core
