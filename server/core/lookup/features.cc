#include "server/core/lookup/features.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "server/core/lookup/distance.h"

namespace mgral::core {

std::vector<float> ReachOf(const Cells& cells, const std::vector<float>& embeddings,
                           int64_t images) {
  if (static_cast<int64_t>(embeddings.size()) != images * cells.dim) {
    throw std::invalid_argument("embeddings: has a wrong number of values");
  }
  // Two images are about sqrt(2) times as far apart as one is from the mean.
  const double width = 2 * cells.spread * cells.spread;
  std::vector<float> reach(images * cells.count, 1.0f);
  if (width <= 0) return reach;
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t k = 0; k < cells.count; ++k) {
      const float square =
          SquaredDistance(&embeddings[i * cells.dim], &cells.centroids[k * cells.dim], cells.dim);
      reach[i * cells.count + k] = static_cast<float>(std::exp(-square / width));
    }
  }
  return reach;
}

std::vector<double> CountObjects(const std::vector<float>& objects,
                                 const std::vector<int64_t>& which, int64_t classes) {
  const int64_t images = static_cast<int64_t>(objects.size()) / classes;
  if (images * classes != static_cast<int64_t>(objects.size())) {
    throw std::invalid_argument("objects: has a wrong number of values");
  }
  std::vector<double> count(classes, 0.0);
  for (const int64_t image : which) {
    if (image < 0 || image >= images) throw std::invalid_argument("which: no such image");
    for (int64_t c = 0; c < classes; ++c) count[c] += objects[image * classes + c];
  }
  return count;
}

SetContent ContentOf(const std::vector<float>& objects, const std::vector<float>& reach,
                     const std::vector<int64_t>& which, int64_t cells, int64_t classes) {
  SetContent out = {CountObjects(objects, which, classes), std::vector<float>(cells, 0.0f)};
  if (static_cast<int64_t>(objects.size()) / classes * cells !=
      static_cast<int64_t>(reach.size())) {
    throw std::invalid_argument("reach: has a wrong number of values");
  }
  for (const int64_t image : which) {
    for (int64_t k = 0; k < cells; ++k) {
      out.covered[k] = std::max(out.covered[k], reach[image * cells + k]);
    }
  }
  return out;
}

void AddToCells(const std::vector<float>& objects, const std::vector<int32_t>& cell,
                int64_t classes, std::vector<double>* in_cell) {
  const int64_t cells = static_cast<int64_t>(in_cell->size()) / classes;
  if (objects.size() != cell.size() * classes) {
    throw std::invalid_argument("objects: has a wrong number of values");
  }
  for (size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] < 0 || cell[i] >= cells) throw std::invalid_argument("cell: out of range");
    for (int64_t c = 0; c < classes; ++c) {
      (*in_cell)[cell[i] * classes + c] += objects[i * classes + c];
    }
  }
}

std::vector<double> CellShares(std::vector<double> in_cell, int64_t classes) {
  std::vector<double> sum(classes, 0.0);
  for (size_t kc = 0; kc < in_cell.size(); ++kc) sum[kc % classes] += in_cell[kc];
  for (size_t kc = 0; kc < in_cell.size(); ++kc) {
    in_cell[kc] = sum[kc % classes] > 0 ? in_cell[kc] / sum[kc % classes] : 0;
  }
  return in_cell;
}

std::vector<double> BatchFeatures(const SetContent& labeled, const SetContent& batch,
                                  const std::vector<double>& cell_share) {
  const size_t classes = labeled.objects.size(), cells = labeled.covered.size();
  if (batch.objects.size() != classes || batch.covered.size() != cells ||
      cell_share.size() != cells * classes) {
    throw std::invalid_argument("batch: is of other cells or classes than what is labeled");
  }
  std::vector<double> out(classes * kNumFeatures, 0.0);
  for (size_t c = 0; c < classes; ++c) {
    out[c * kNumFeatures + kGrowth] = std::log1p(batch.objects[c] / (labeled.objects[c] + 1));
  }
  for (size_t k = 0; k < cells; ++k) {
    const double nearer = std::max(0.0, double{batch.covered[k]} - double{labeled.covered[k]});
    for (size_t c = 0; c < classes; ++c) {
      out[c * kNumFeatures + kCoverage] += cell_share[k * classes + c] * nearer;
    }
  }
  return out;
}

}  // namespace mgral::core
