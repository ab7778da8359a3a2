#include "server/core/lookup/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "server/core/lookup/distance.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr int64_t kSampledPerCell = 256;  // Lloyd on more changes centroids little
constexpr int kMaxIterations = 25;

void CheckEmbeddings(const std::vector<float>& embeddings, int64_t images, int64_t dim) {
  if (images < 0) throw std::invalid_argument("images: must not be negative");
  if (dim < 0 || (dim == 0 && images > 0)) throw std::invalid_argument("dim: must be positive");
  if (dim > 0 && images > std::numeric_limits<int32_t>::max() / 2) {
    throw std::invalid_argument("images: too many");
  }
  if (static_cast<int64_t>(embeddings.size()) != images * dim) {
    throw std::invalid_argument("embeddings: has " + std::to_string(embeddings.size()) +
                                " values, wants " + std::to_string(images) + " x " +
                                std::to_string(dim));
  }
  for (float value : embeddings) {
    // Beyond 1e15 squared distances overflow.
    if (!(std::fabs(value) < 1e15f)) {
      throw std::invalid_argument("embeddings: holds a value that is not finite");
    }
  }
}

class Lloyd {
 public:
  Lloyd(const std::vector<float>& embeddings, std::vector<int64_t> rows, int64_t dim)
      : data_(embeddings), rows_(std::move(rows)), dim_(dim) {}

  // k-means++: each further centroid is a row drawn with probability proportional to its squared
  // distance to the nearest one. Fewer than `cells` when only copies are left.
  void Seed(int64_t cells, RandomStream* random) {
    const int64_t n = rows();
    std::vector<float> nearest(n, std::numeric_limits<float>::infinity());
    int64_t next = random->Below(n);
    while (true) {
      centroids_.insert(centroids_.end(), Row(next), Row(next) + dim_);
      const float* centroid = &centroids_[centroids_.size() - dim_];
      double total = 0;
      for (int64_t i = 0; i < n; ++i) {
        nearest[i] = std::min(nearest[i], SquaredDistance(Row(i), centroid, dim_));
        total += nearest[i];
      }
      if (Count() == cells || total <= 0) return;
      double target = random->Uniform() * total;
      next = -1;
      for (int64_t i = 0; i < n; ++i) {
        if (nearest[i] <= 0) continue;
        next = i;
        target -= nearest[i];
        if (target < 0) break;
      }
    }
  }

  // One assignment and update; true when nothing moved.
  bool Iterate() {
    const int64_t n = rows(), k = Count();
    std::vector<double> sums(k * dim_, 0.0);
    std::vector<int64_t> counts(k, 0);
    std::vector<float> distance(n);
    bool stable = assigned_.size() == static_cast<size_t>(n);
    assigned_.resize(n, -1);
    for (int64_t i = 0; i < n; ++i) {
      int64_t cell = 0;
      distance[i] = NearestRow(Row(i), centroids_.data(), k, dim_,
                               std::numeric_limits<float>::infinity(), &cell);
      stable = stable && assigned_[i] == cell;
      assigned_[i] = static_cast<int32_t>(cell);
      ++counts[cell];
      for (int64_t j = 0; j < dim_; ++j) sums[cell * dim_ + j] += Row(i)[j];
    }
    for (int64_t cell = 0; cell < k; ++cell) {
      if (counts[cell] == 0) {
        const int64_t farthest =
            std::max_element(distance.begin(), distance.end()) - distance.begin();
        if (distance[farthest] > 0) stable = false;
        std::copy(Row(farthest), Row(farthest) + dim_, &centroids_[cell * dim_]);
        distance[farthest] = 0;  // the next empty cell takes another one
        continue;
      }
      for (int64_t j = 0; j < dim_; ++j) {
        centroids_[cell * dim_ + j] = static_cast<float>(sums[cell * dim_ + j] / counts[cell]);
      }
    }
    return stable;
  }

  std::vector<float> TakeCentroids() { return std::move(centroids_); }

 private:
  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }
  int64_t Count() const { return static_cast<int64_t>(centroids_.size()) / dim_; }
  const float* Row(int64_t i) const { return &data_[rows_[i] * dim_]; }

  const std::vector<float>& data_;
  std::vector<int64_t> rows_;
  int64_t dim_;
  std::vector<float> centroids_;
  std::vector<int32_t> assigned_;
};

// Median distance to the mean: a few outliers do not stretch it.
double Spread(const std::vector<float>& embeddings, int64_t images, int64_t dim) {
  std::vector<double> sums(dim, 0.0);
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t j = 0; j < dim; ++j) sums[j] += embeddings[i * dim + j];
  }
  std::vector<float> mean(dim);
  for (int64_t j = 0; j < dim; ++j) mean[j] = static_cast<float>(sums[j] / images);
  std::vector<float> distance(images);
  for (int64_t i = 0; i < images; ++i) {
    distance[i] = std::sqrt(SquaredDistance(&embeddings[i * dim], mean.data(), dim));
  }
  std::nth_element(distance.begin(), distance.begin() + images / 2, distance.end());
  return distance[images / 2];
}

// Images of one cell, sorted by their distance to the centroid: two of them can only be duplicates
// when these distances are close (triangle inequality), so that few pairs are compared.
void GroupDuplicates(const std::vector<float>& embeddings, int64_t dim, double limit,
                     const std::vector<std::pair<float, int32_t>>& by_distance,
                     CellAssignment* out) {
  std::vector<std::pair<float, int32_t>> leaders;  // first members, by distance
  size_t window = 0;
  for (const auto& [distance, image] : by_distance) {
    while (window < leaders.size() && leaders[window].first < distance - limit) ++window;
    int32_t group = -1;
    for (size_t l = window; l < leaders.size() && group < 0; ++l) {
      const float apart =
          SquaredDistance(&embeddings[image * dim], &embeddings[leaders[l].second * dim], dim);
      if (std::sqrt(apart) <= limit) group = out->group[leaders[l].second];
    }
    if (group < 0) {
      group = out->groups++;
      leaders.emplace_back(distance, image);
    }
    out->group[image] = group;
  }
}

}  // namespace

int64_t ChooseCellCount(int64_t images) {
  if (images <= 0) return 0;
  return std::min(images, std::clamp<int64_t>(images / 8, 2, 64));
}

CellAssignment AssignCells(const Cells& cells, const std::vector<float>& embeddings,
                           int64_t images) {
  CheckEmbeddings(embeddings, images, cells.dim);
  CellAssignment out;
  if (images == 0) return out;
  if (cells.count <= 0) throw std::invalid_argument("cells: there are none");
  out.cell.resize(images);
  out.group.resize(images);
  std::vector<std::vector<std::pair<float, int32_t>>> members(cells.count);
  for (int64_t i = 0; i < images; ++i) {
    int64_t cell = 0;
    const float distance =
        NearestRow(&embeddings[i * cells.dim], cells.centroids.data(), cells.count, cells.dim,
                   std::numeric_limits<float>::infinity(), &cell);
    out.cell[i] = static_cast<int32_t>(cell);
    members[cell].emplace_back(std::sqrt(distance), static_cast<int32_t>(i));
  }
  const double limit = kDuplicateDistance * cells.spread;
  for (auto& cell : members) {
    std::sort(cell.begin(), cell.end());
    GroupDuplicates(embeddings, cells.dim, limit, cell, &out);
  }
  return out;
}

Clustering ClusterCells(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                        int64_t cells, uint64_t seed) {
  CheckEmbeddings(embeddings, images, dim);
  if (cells < 0) throw std::invalid_argument("cells: must not be negative");
  Clustering out;
  out.cells.dim = dim;
  if (images == 0) return out;
  if (cells == 0) cells = ChooseCellCount(images);
  cells = std::min(cells, images);

  RandomStream random(seed);
  std::vector<int64_t> rows(images);
  std::iota(rows.begin(), rows.end(), 0);
  if (images > kSampledPerCell * cells) {
    random.Shuffle(&rows);
    rows.resize(kSampledPerCell * cells);
    std::sort(rows.begin(), rows.end());
  }
  Lloyd lloyd(embeddings, std::move(rows), dim);
  lloyd.Seed(cells, &random);
  for (int i = 0; i < kMaxIterations && !lloyd.Iterate(); ++i) {
  }
  out.cells.centroids = lloyd.TakeCentroids();
  out.cells.count = static_cast<int64_t>(out.cells.centroids.size()) / dim;
  out.cells.spread = Spread(embeddings, images, dim);
  out.assignment = AssignCells(out.cells, embeddings, images);

  const int64_t k = out.cells.count;
  std::vector<double> sums(k, 0.0);
  std::vector<int64_t> counts(k, 0);
  for (int64_t i = 0; i < images; ++i) {
    const int32_t cell = out.assignment.cell[i];
    sums[cell] +=
        std::sqrt(SquaredDistance(&embeddings[i * dim], &out.cells.centroids[cell * dim], dim));
    ++counts[cell];
  }
  out.cells.tightness.resize(k, 0.0);
  for (int64_t cell = 0; cell < k; ++cell) {
    if (counts[cell] > 0 && out.cells.spread > 0) {
      out.cells.tightness[cell] = sums[cell] / counts[cell] / out.cells.spread;
    }
  }
  return out;
}

}  // namespace mgral::core
