#include "server/core/lookup/table_input.h"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

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
  if (!std::isfinite(cells.spread) || cells.spread < 0) Refuse("clustering.cells", "wrong spread");
  if (assignment.groups < 0 || assignment.groups > candidates.images) {
    Refuse("clustering.assignment", "has a wrong number of groups");
  }
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

// Of `rows` [N, columns], means over the groups.
std::vector<float> GroupMeans(const std::vector<float>& rows, int64_t columns,
                              const CellAssignment& assignment) {
  std::vector<double> sum(assignment.groups * columns, 0.0);
  std::vector<int64_t> members(assignment.groups, 0);
  for (size_t i = 0; i < assignment.group.size(); ++i) {
    ++members[assignment.group[i]];
    for (int64_t c = 0; c < columns; ++c) {
      sum[assignment.group[i] * columns + c] += rows[i * columns + c];
    }
  }
  std::vector<float> out;
  out.reserve(rows.size());
  for (const int32_t group : assignment.group) {
    for (int64_t c = 0; c < columns; ++c) {
      out.push_back(
          static_cast<float>(sum[group * columns + c] / static_cast<double>(members[group])));
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
  if (!input.missed_share.empty() &&
      static_cast<int64_t>(input.missed_share.size()) != candidates.classes) {
    Refuse("missed_share", "has a wrong number of values");
  }
  for (const double share : input.missed_share) {
    if (!(share >= 0 && share <= 1)) Refuse("missed_share", "must lie in [0, 1]");
  }
  for (const double ap : input.class_ap) {
    if (ap < 0 || ap > 1) Refuse("class_ap", "must lie in [0, 1]");
  }
}

std::vector<float> LabeledReach(const TableInput& input) {
  const auto labeled =
      static_cast<int64_t>(input.labeled_objects.size()) / input.candidates.classes;
  return ReachOf(input.clustering.cells, input.labeled_embeddings, labeled);
}

LookupTable DescribePool(const TableInput& input) {
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
  table.missed = GroupMeans(candidates.expected_objects, classes, input.clustering.assignment);
  for (size_t ic = 0; ic < table.missed.size() && !input.missed_share.empty(); ++ic) {
    table.missed[ic] *= static_cast<float>(input.missed_share[ic % classes]);
  }
  table.reach = GroupMeans(ReachOf(table.cells, candidates.embeddings, table.images), cells,
                           input.clustering.assignment);
  for (const double ap : input.class_ap) table.class_ap.push_back(std::isnan(ap) ? 0 : ap);

  const SetContent content =
      ContentOf(input.labeled_objects, LabeledReach(input), All(labeled), cells, classes);
  table.labeled_images = labeled;
  table.labeled = content.objects;
  table.covered = content.covered;
  std::vector<double> in_cell(cells * classes, 0.0);
  AddToCells(candidates.expected_objects, table.cell_of, classes, &in_cell);
  if (cells > 0) {  // before there are candidates there are none
    AddToCells(input.labeled_objects,
               AssignCells(table.cells, input.labeled_embeddings, labeled).cell, classes, &in_cell);
  }
  table.cell_share = CellShares(std::move(in_cell), classes);
  SetPrior(&table);
  return table;
}

}  // namespace mgral::core
