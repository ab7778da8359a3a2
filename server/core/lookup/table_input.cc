#include "server/core/lookup/table_input.h"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

constexpr int64_t kMostCells = int64_t{1} << 20;

[[noreturn]] void Refuse(const std::string& field, const std::string& what) {
  throw std::invalid_argument(field + ": " + what);
}

void CheckFloats(const std::vector<float>& values, int64_t wanted, bool negative,
                 const std::string& field) {
  if (static_cast<int64_t>(values.size()) != wanted) {
    Refuse(field,
           "has " + std::to_string(values.size()) + " values, wants " + std::to_string(wanted));
  }
  for (const float value : values) {
    if (!std::isfinite(value)) Refuse(field, "holds a value that is not finite");
    if (!negative && value < 0) Refuse(field, "holds a negative value");
  }
}

void CheckClustering(const Clustering& clustering, const ImageSignals& candidates) {
  const Cells& cells = clustering.cells;
  const CellAssignment& assignment = clustering.assignment;
  if (cells.dim != candidates.dim) Refuse("clustering.cells", "is of other embeddings");
  if (cells.count < 0 || cells.count > kMostCells) Refuse("clustering.cells", "wrong count");
  CheckFloats(cells.centroids, cells.count * cells.dim, true, "clustering.cells.centroids");
  if (static_cast<int64_t>(cells.tightness.size()) != cells.count) {
    Refuse("clustering.cells.tightness", "has a wrong number of values");
  }
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

// [N, C], means over the groups.
std::vector<float> GroupMeans(const ImageSignals& candidates, const CellAssignment& assignment) {
  const int64_t classes = candidates.classes;
  std::vector<double> sum(assignment.groups * classes, 0.0);
  std::vector<int64_t> members(assignment.groups, 0);
  for (int64_t i = 0; i < candidates.images; ++i) {
    ++members[assignment.group[i]];
    for (int64_t c = 0; c < classes; ++c) {
      sum[assignment.group[i] * classes + c] += candidates.expected_objects[i * classes + c];
    }
  }
  std::vector<float> out;
  out.reserve(candidates.images * classes);
  for (const int32_t group : assignment.group) {
    for (int64_t c = 0; c < classes; ++c) {
      out.push_back(
          static_cast<float>(sum[group * classes + c] / static_cast<double>(members[group])));
    }
  }
  return out;
}

std::vector<int64_t> All(int64_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

}  // namespace

void CheckInput(const TableInput& input) {
  const ImageSignals& candidates = input.candidates;
  if (candidates.images < 0) Refuse("images", "must not be negative");
  if (candidates.classes <= 0) Refuse("classes", "must be positive");
  if (candidates.dim < 0) Refuse("dim", "must not be negative");
  CheckFloats(candidates.embeddings, candidates.images * candidates.dim, true, "embeddings");
  CheckFloats(candidates.expected_objects, candidates.images * candidates.classes, false,
              "expected_objects");
  CheckClustering(input.clustering, candidates);
  const int64_t labeled = static_cast<int64_t>(input.labeled_objects.size()) / candidates.classes;
  CheckFloats(input.labeled_objects, labeled * candidates.classes, false, "labeled_objects");
  CheckFloats(input.labeled_embeddings, labeled * candidates.dim, true, "labeled_embeddings");
  if (static_cast<int64_t>(input.class_ap.size()) != candidates.classes) {
    Refuse("class_ap", "has a wrong number of values");
  }
  for (const double ap : input.class_ap) {
    if (ap < 0 || ap > 1) Refuse("class_ap", "must lie in [0, 1]");
  }
}

LookupTable DescribePool(const TableInput& input, std::vector<int32_t>* labeled_cell) {
  CheckInput(input);
  const ImageSignals& candidates = input.candidates;
  const int64_t classes = candidates.classes, cells = input.clustering.cells.count;
  const int64_t labeled = static_cast<int64_t>(input.labeled_objects.size()) / classes;
  LookupTable table;
  table.images = candidates.images;
  table.classes = classes;
  table.cells = input.clustering.cells;
  table.cell_of = input.clustering.assignment.cell;
  table.group_of = input.clustering.assignment.group;
  table.groups = input.clustering.assignment.groups;
  table.expected = GroupMeans(candidates, input.clustering.assignment);
  for (const double ap : input.class_ap) table.class_ap.push_back(std::isnan(ap) ? 0 : ap);

  // Before there are candidates there are no cells: the labeled objects count all the same.
  const std::vector<int32_t> cell_of_labeled =
      cells > 0 ? AssignCells(table.cells, input.labeled_embeddings, labeled).cell
                : std::vector<int32_t>(labeled, 0);
  if (labeled_cell != nullptr) *labeled_cell = cell_of_labeled;
  ObjectCounts counts = CountObjects(input.labeled_objects, cell_of_labeled, All(labeled),
                                     std::max<int64_t>(1, cells), classes);
  table.labeled = counts.total;
  table.labeled_in_cell.assign(counts.in_cell.begin(), counts.in_cell.begin() + cells * classes);
  const ObjectCounts expected =
      CountObjects(table.expected, table.cell_of, All(table.images), cells, classes);
  counts.in_cell = table.labeled_in_cell;
  for (int64_t kc = 0; kc < cells * classes; ++kc) counts.in_cell[kc] += expected.in_cell[kc];
  table.cell_share = CellShares(counts);
  SetPrior(&table);
  return table;
}

}  // namespace mgral::core
