#include "server/core/lookup/features.h"

#include <cmath>
#include <stdexcept>

namespace mgral::core {

ObjectCounts CountObjects(const std::vector<float>& objects, const std::vector<int32_t>& cell,
                          const std::vector<int64_t>& which, int64_t cells, int64_t classes) {
  const int64_t images = static_cast<int64_t>(cell.size());
  if (static_cast<int64_t>(objects.size()) != images * classes) {
    throw std::invalid_argument("objects: has a wrong number of values");
  }
  ObjectCounts out;
  out.total.assign(classes, 0.0);
  out.in_cell.assign(cells * classes, 0.0);
  for (const int64_t image : which) {
    if (image < 0 || image >= images) throw std::invalid_argument("which: no such image");
    if (cell[image] < 0 || cell[image] >= cells) throw std::invalid_argument("cell: out of range");
    for (int64_t c = 0; c < classes; ++c) {
      out.total[c] += objects[image * classes + c];
      out.in_cell[cell[image] * classes + c] += objects[image * classes + c];
    }
  }
  return out;
}

std::vector<double> CellShares(const ObjectCounts& all) {
  const size_t classes = all.total.size();
  std::vector<double> share = all.in_cell, sum(classes, 0.0);
  for (size_t i = 0; i < share.size(); ++i) sum[i % classes] += share[i];
  for (size_t i = 0; i < share.size(); ++i) {
    share[i] = sum[i % classes] > 0 ? share[i] / sum[i % classes] : 0;
  }
  return share;
}

std::vector<double> BatchFeatures(const ObjectCounts& labeled, const ObjectCounts& batch,
                                  const std::vector<double>& cell_share) {
  const size_t classes = labeled.total.size();
  if (batch.total.size() != classes || batch.in_cell.size() != labeled.in_cell.size() ||
      cell_share.size() != labeled.in_cell.size()) {
    throw std::invalid_argument("batch: is of other cells or classes than what is labeled");
  }
  std::vector<double> out(classes * kNumFeatures, 0.0);
  for (size_t c = 0; c < classes; ++c) {
    out[c * kNumFeatures + kGrowth] = std::log1p(batch.total[c] / (labeled.total[c] + 1));
  }
  for (size_t kc = 0; kc < cell_share.size(); ++kc) {
    out[kc % classes * kNumFeatures + kLocal] +=
        cell_share[kc] * std::log1p(batch.in_cell[kc] / (labeled.in_cell[kc] + kCellOffset));
  }
  return out;
}

}  // namespace mgral::core
