#pragma once

#include <cstdint>
#include <vector>

namespace mgral::core {

// The cells that a pool is divided in. Plain data; copies are independent.
struct Cells {
  int64_t count = 0;             // K
  int64_t dim = 0;               // d
  std::vector<float> centroids;  // [K, d], row-major
  // Mean distance of a cell's images to its centroid, divided by `spread`: 0 for copies, about 1
  // for a cell as wide as the whole pool. [K]
  std::vector<double> tightness;
  double spread = 0;  // median distance of an image to the mean of the pool; embedding units
};

// Where the images of one set fall. `group` numbers sets of near-duplicates (images of one cell
// that are closer than kDuplicateDistance * spread to the group's first member): a table counts a
// group once however many of its members are taken. Group numbers are 0..groups-1.
struct CellAssignment {
  std::vector<int32_t> cell;   // [N], in [0, K)
  std::vector<int32_t> group;  // [N]
  int32_t groups = 0;
};

inline constexpr double kDuplicateDistance = 0.10;

struct Clustering {
  Cells cells;
  CellAssignment assignment;
};

// An eighth of the images, from 2 to 64, never more than `images`.
int64_t ChooseCellCount(int64_t images);

// k-means++ seeding, then Lloyd (on a fixed-size seeded sample for large N). `embeddings` is
// [images, dim] row-major. `cells` 0 means ChooseCellCount; more cells than distinct images are
// reduced. A cell that empties is moved to the image farthest from its centroid. Same input, same
// seed: same bytes. No images: 0 cells. Throws std::invalid_argument on negative or mismatching
// sizes and on values that are not finite. Thread-safe.
Clustering ClusterCells(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                        int64_t cells, uint64_t seed);

// Nearest centroid (lowest index on ties) and near-duplicate groups for any images in the same
// embedding space. Throws std::invalid_argument as above.
CellAssignment AssignCells(const Cells& cells, const std::vector<float>& embeddings,
                           int64_t images);

}  // namespace mgral::core
