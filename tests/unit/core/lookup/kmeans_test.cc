#include "server/core/lookup/kmeans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "server/core/lookup/distance.h"
#include "server/core/random.h"

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
  EXPECT_EQ(ChooseCellCount(200), 25);
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

}  // namespace
}  // namespace mgral::core
