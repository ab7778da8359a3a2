#include "server/core/lookup/observation.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mgral::core {
namespace {

void CheckSet(const Cells& cells, const CellAssignment& assignment, const ImageFeatures& features) {
  const size_t images = static_cast<size_t>(features.images);
  if (assignment.cell.size() != images || assignment.group.size() != images) {
    throw std::invalid_argument("assignment: is for another number of images than features");
  }
  if (features.values.size() != images * features.classes * kNumImageFeatures) {
    throw std::invalid_argument("features: wrong size");
  }
  for (int32_t cell : assignment.cell) {
    if (cell < 0 || cell >= cells.count) throw std::invalid_argument("assignment: no such cell");
  }
}

}  // namespace

std::vector<double> CellMeanFeatures(const Cells& cells, const CellAssignment& assignment,
                                     const ImageFeatures& features) {
  CheckSet(cells, assignment, features);
  const int64_t width = features.classes * kNumImageFeatures;
  std::vector<double> mean(cells.count * width, 0.0), overall(width, 0.0);
  std::vector<int64_t> counts(cells.count, 0);
  for (int64_t i = 0; i < features.images; ++i) {
    const int32_t cell = assignment.cell[i];
    ++counts[cell];
    for (int64_t j = 0; j < width; ++j) {
      mean[cell * width + j] += features.values[i * width + j];
      overall[j] += features.values[i * width + j];
    }
  }
  for (int64_t k = 0; k < cells.count; ++k) {
    for (int64_t j = 0; j < width; ++j) {
      if (counts[k] > 0) {
        mean[k * width + j] /= static_cast<double>(counts[k]);
      } else if (features.images > 0) {
        mean[k * width + j] = overall[j] / static_cast<double>(features.images);
      }
    }
  }
  return mean;
}

Observation Observe(ObservationKind kind, const Cells& cells, const CellAssignment& assignment,
                    const ImageFeatures& features, const std::vector<int64_t>& batch,
                    std::vector<double> response, bool same_set) {
  if (static_cast<int64_t>(response.size()) != features.classes) {
    throw std::invalid_argument("response: wants one value per class");
  }
  Observation out;
  out.kind = kind;
  out.response = std::move(response);
  std::vector<double> means = CellMeanFeatures(cells, assignment, features);
  const int64_t width = features.classes * kNumImageFeatures;
  out.cell_counts.assign(cells.count, 0.0);
  out.deviation_sum.assign(width, 0.0);
  std::vector<int64_t> distinct = batch;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<bool> seen(assignment.groups, false);
  for (int64_t image : distinct) {
    if (image < 0 || image >= features.images) {
      throw std::invalid_argument("batch: image " + std::to_string(image) + " is not in the set");
    }
    const int32_t group = assignment.group[image];
    if (group < 0 || group >= assignment.groups) {
      throw std::invalid_argument("assignment: no such group");
    }
    if (seen[group]) continue;
    seen[group] = true;
    const int32_t cell = assignment.cell[image];
    out.cell_counts[cell] += 1;
    for (int64_t j = 0; j < width; ++j) {
      out.deviation_sum[j] += features.values[image * width + j] - means[cell * width + j];
    }
  }
  if (!same_set) out.cell_features = std::move(means);
  return out;
}

}  // namespace mgral::core
