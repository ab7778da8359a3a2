#include "server/core/lookup/kmeans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "server/core/lookup/distance.h"
#include "server/core/lookup/fidelity.h"
#include "server/core/lookup/plan_probes.h"
#include "server/core/random.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

TEST(KmeansTest, RefusesBadInput) {
  EXPECT_THROW(ClusterCells({1, 2, 3}, 2, 2, 1, 0), std::invalid_argument);
  EXPECT_THROW(ClusterCells({1, std::nanf("")}, 1, 2, 1, 0), std::invalid_argument);
  EXPECT_THROW(ClusterCells({1, 2}, 1, 2, -1, 0), std::invalid_argument);
  EXPECT_THROW(ClusterCells({}, -1, 2, 1, 0), std::invalid_argument);
  EXPECT_THROW(AssignCells(Cells{}, {}, 3), std::invalid_argument);
}

TEST(KmeansTest, NoImagesFewImagesAndCopies) {
  EXPECT_EQ(ClusterCells({}, 0, 4, 8, 1).cells.count, 0);
  EXPECT_EQ(ClusterCells({1, 2}, 1, 2, 8, 1).cells.count, 1);
  const Clustering copies = ClusterCells(std::vector<float>(20, 3.0f), 10, 2, 4, 1);
  EXPECT_EQ(copies.cells.count, 1);
  EXPECT_EQ(copies.assignment.groups, 1);
  EXPECT_EQ(copies.cells.tightness[0], 0);
  EXPECT_EQ(ChooseCellCount(0), 0);
  EXPECT_EQ(ChooseCellCount(1), 1);
  EXPECT_EQ(ChooseCellCount(200), 14);
  EXPECT_EQ(ChooseCellCount(1000000), 64);
}

TEST(KmeansTest, FindsSeparateClustersAndIsDeterministic) {
  RandomStream random(2);
  std::vector<float> embeddings;
  for (int i = 0; i < 300; ++i) {
    for (int j = 0; j < 5; ++j) {
      embeddings.push_back(static_cast<float>((j == i % 5 ? 20 : 0) + random.Normal()));
    }
  }
  const Clustering a = ClusterCells(embeddings, 300, 5, 5, 7);
  const Clustering b = ClusterCells(embeddings, 300, 5, 5, 7);
  ASSERT_EQ(a.cells.count, 5);
  EXPECT_EQ(a.cells.centroids, b.cells.centroids);
  EXPECT_EQ(a.assignment.cell, b.assignment.cell);
  for (int i = 5; i < 300; ++i) EXPECT_EQ(a.assignment.cell[i], a.assignment.cell[i % 5]);
  std::set<int32_t> used(a.assignment.cell.begin(), a.assignment.cell.end());
  EXPECT_EQ(used.size(), 5u);
  for (double tightness : a.cells.tightness) EXPECT_LT(tightness, 0.5);
}

TEST(KmeansTest, DistanceAgreesWithTheSlowSum) {
  RandomStream random(3);
  for (int64_t dim : {1, 7, 32, 33, 100, 128}) {
    std::vector<float> a(dim), b(dim);
    double expected = 0;
    for (int64_t j = 0; j < dim; ++j) {
      a[j] = static_cast<float>(random.Normal());
      b[j] = static_cast<float>(random.Normal());
      expected += std::pow(static_cast<double>(a[j]) - b[j], 2);
    }
    EXPECT_NEAR(SquaredDistance(a.data(), b.data(), dim), expected, 1e-4 * expected);
  }
}

TEST(PlanTest, BatchesAreDistinctCoverTheCellsAndRepeat) {
  PlantedPool pool(100, 2, 7, 1);
  const auto& clustering = pool.input.clustering;
  const auto plan = PlanSemiSupervised(clustering.cells, clustering.assignment, 12, 20, 4);
  ASSERT_EQ(plan.size(), 12u);
  std::set<int32_t> cells;
  for (const auto& batch : plan) {
    EXPECT_EQ(batch.size(), 20u);
    EXPECT_EQ(std::set<int64_t>(batch.begin(), batch.end()).size(), 20u);
    for (int64_t i : batch) cells.insert(clustering.assignment.cell[i]);
  }
  EXPECT_EQ(cells.size(), static_cast<size_t>(clustering.cells.count));
  EXPECT_EQ(plan, PlanSemiSupervised(clustering.cells, clustering.assignment, 12, 20, 4));
  EXPECT_NE(plan, PlanSemiSupervised(clustering.cells, clustering.assignment, 12, 20, 5));
  EXPECT_TRUE(PlanSemiSupervised(Cells{}, CellAssignment{}, 5, 5, 1).empty());
  EXPECT_EQ(PlanSemiSupervised(clustering.cells, clustering.assignment, 1, 1000, 1)[0].size(),
            100u);
  EXPECT_THROW(PlanSemiSupervised(clustering.cells, clustering.assignment, -1, 5, 1),
               std::invalid_argument);
}

TEST(PlanTest, ReplayContrastsTheFeatures) {
  PlantedPool pool(60, 2, 5, 2);
  const auto plan = PlanReplay(pool.features, 8, 10, 3);
  ASSERT_EQ(plan.size(), 8u);
  std::vector<double> objects;
  for (const auto& batch : plan) {
    EXPECT_EQ(std::set<int64_t>(batch.begin(), batch.end()).size(), 10u);
    double sum = 0;
    for (int64_t i : batch) {
      for (int64_t c = 0; c < 2; ++c) sum += pool.features.At(i, c)[kExpectedObjects];
    }
    objects.push_back(sum);
  }
  EXPECT_GT(objects[0], objects[1]);  // upper half against lower half
  EXPECT_EQ(PlanReplay(pool.features, 1, 100, 3)[0].size(), 30u);
  EXPECT_TRUE(PlanReplay(ImageFeatures{}, 3, 5, 1).empty());
}

TEST(ObserveTest, RefusesImagesOutOfTheSet) {
  PlantedPool pool(20, 2, 3, 1);
  const auto& clustering = pool.input.clustering;
  EXPECT_THROW(Observe(ObservationKind::kReplay, clustering.cells, clustering.assignment,
                       pool.features, {20}, {0, 0}, true),
               std::invalid_argument);
  EXPECT_THROW(Observe(ObservationKind::kReplay, clustering.cells, clustering.assignment,
                       pool.features, {1}, {0}, true),
               std::invalid_argument);
  const Observation twice = Observe(ObservationKind::kReplay, clustering.cells,
                                    clustering.assignment, pool.features, {1, 1}, {0, 0}, false);
  EXPECT_EQ(twice.cell_counts[clustering.assignment.cell[1]], 1);
  EXPECT_FALSE(twice.cell_features.empty());
}

TEST(RankCorrelationTest, TiesAndDegenerateInput) {
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 2, 3, 4}, {10, 20, 30, 40}), 1);
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_TRUE(std::isnan(RankCorrelation({1, 1, 1}, {1, 2, 3})));
  EXPECT_TRUE(std::isnan(RankCorrelation({1, 2}, {1, 2})));
  EXPECT_NEAR(RankCorrelation({1, 1, 2, 3}, {1, 2, 3, 4}), 0.9487, 1e-3);
}

}  // namespace
}  // namespace mgral::core
