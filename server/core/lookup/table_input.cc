#include "server/core/lookup/table_input.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace mgral::core {
namespace {

[[noreturn]] void Refuse(const std::string& field, const char* what) {
  throw std::invalid_argument(field + ": " + what);
}

void CheckNumbers(const std::vector<double>& values, int64_t wanted, const std::string& field) {
  if (static_cast<int64_t>(values.size()) != wanted) Refuse(field, "has a wrong number of values");
  for (double value : values) {
    if (!std::isfinite(value)) Refuse(field, "holds a value that is not finite");
  }
}

void CheckAp(const std::vector<double>& values, int64_t wanted, const std::string& field) {
  CheckNumbers(values, wanted, field);
  for (double value : values) {
    if (value < 0 || value > 1) Refuse(field, "must lie in [0, 1]");
  }
}

void CheckClustering(const Clustering& clustering, const ImageSignals& candidates) {
  const Cells& cells = clustering.cells;
  if (cells.count < 0 || (candidates.images > 0 && cells.count == 0)) {
    Refuse("clustering.cells", "there are none for the candidates");
  }
  if (cells.dim != candidates.dim) Refuse("clustering.cells.dim", "is not that of the candidates");
  if (static_cast<int64_t>(cells.centroids.size()) != cells.count * cells.dim) {
    Refuse("clustering.cells.centroids", "has a wrong number of values");
  }
  for (float value : cells.centroids) {
    if (!std::isfinite(value)) {
      Refuse("clustering.cells.centroids", "holds a value that is not finite");
    }
  }
  CheckNumbers(cells.tightness, cells.count, "clustering.cells.tightness");
  const CellAssignment& assignment = clustering.assignment;
  if (static_cast<int64_t>(assignment.cell.size()) != candidates.images ||
      static_cast<int64_t>(assignment.group.size()) != candidates.images) {
    Refuse("clustering.assignment", "is for another number of images");
  }
  for (int64_t i = 0; i < candidates.images; ++i) {
    if (assignment.cell[i] < 0 || assignment.cell[i] >= cells.count || assignment.group[i] < 0 ||
        assignment.group[i] >= assignment.groups) {
      Refuse("clustering.assignment", "is out of range");
    }
  }
}

void CheckObservation(const Observation& observation, int64_t cells, int64_t classes,
                      const std::string& field) {
  CheckNumbers(observation.cell_counts, cells, field + ".cell_counts");
  for (double count : observation.cell_counts) {
    if (count < 0) Refuse(field + ".cell_counts", "must not be negative");
  }
  CheckNumbers(observation.deviation_sum, classes * kNumImageFeatures, field + ".deviation_sum");
  if (!observation.cell_features.empty()) {
    CheckNumbers(observation.cell_features, cells * classes * kNumImageFeatures,
                 field + ".cell_features");
  }
  CheckNumbers(observation.response, classes, field + ".response");
  if (!observation.variance.empty()) {
    if (static_cast<int64_t>(observation.variance.size()) != classes) {
      Refuse(field + ".variance", "has a wrong number of values");
    }
    for (double value : observation.variance) {
      if (!(value >= 0)) Refuse(field + ".variance", "must be 0 or more");
    }
  }
  if (!observation.base_ap.empty()) CheckAp(observation.base_ap, classes, field + ".base_ap");
}

}  // namespace

void CheckInput(const TableInput& input) {
  CheckSignals(input.candidates);
  const int64_t classes = input.candidates.classes;
  CheckClustering(input.clustering, input.candidates);
  CheckNumbers(input.labeled_objects, classes, "labeled_objects");
  if (input.labeled_images < 0) Refuse("labeled_images", "must not be negative");
  CheckAp(input.class_ap, classes, "class_ap");
  for (size_t o = 0; o < input.observations.size(); ++o) {
    CheckObservation(input.observations[o], input.clustering.cells.count, classes,
                     "observations[" + std::to_string(o) + "]");
  }
}

}  // namespace mgral::core
