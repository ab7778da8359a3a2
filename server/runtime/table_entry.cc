#include "server/runtime/table_entry.h"

#include <map>

#include "server/base/bytes.h"

namespace mgral::runtime {
namespace {

using core::LookupTable;

// Floats of `width` per image; tables that were made by hand have no deviation.
std::vector<float> Row(const std::vector<float>& all, int64_t image, int64_t images) {
  const int64_t width = images > 0 ? static_cast<int64_t>(all.size()) / images : 0;
  return std::vector<float>(all.begin() + image * width, all.begin() + (image + 1) * width);
}

}  // namespace

std::string SharedPart(const LookupTable& table) {
  LookupTable shared = table;
  shared.images = 0;
  shared.groups = 0;
  shared.image_gain.clear();
  shared.cell_of.clear();
  shared.group_of.clear();
  shared.deviation.clear();
  return shared.Serialize();
}

std::vector<std::string> ImageEntries(const LookupTable& table) {
  std::vector<std::string> entries;
  entries.reserve(table.images);
  for (int64_t i = 0; i < table.images; ++i) {
    base::ByteWriter writer;
    writer.Number<int32_t>(table.cell_of[i]);
    writer.Number<int32_t>(table.group_of[i]);
    writer.Vector(Row(table.image_gain, i, table.images));
    writer.Vector(Row(table.deviation, i, table.images));
    entries.push_back(writer.Take());
  }
  return entries;
}

absl::StatusOr<LookupTable> Assemble(const LookupTable& shared,
                                     const std::vector<std::string>& entries) {
  LookupTable table = shared;
  table.images = static_cast<int64_t>(entries.size());
  std::map<int32_t, int32_t> groups;  // as stored, to 0, 1, ...
  size_t deviation_size = 0;
  for (const std::string& entry : entries) {
    base::ByteReader reader(entry);
    const int32_t cell = reader.Number<int32_t>();
    const int32_t group = reader.Number<int32_t>();
    const std::vector<float> gain = reader.Vector<float>();
    const std::vector<float> deviation = reader.Vector<float>();
    if (table.cell_of.empty()) deviation_size = deviation.size();
    if (!reader.Done() || cell < 0 || cell >= shared.cells.count ||
        static_cast<int64_t>(gain.size()) != shared.classes || deviation.size() != deviation_size) {
      return absl::InvalidArgumentError("an entry does not belong to this look-up table");
    }
    table.cell_of.push_back(cell);
    table.group_of.push_back(
        groups.emplace(group, static_cast<int32_t>(groups.size())).first->second);
    table.image_gain.insert(table.image_gain.end(), gain.begin(), gain.end());
    table.deviation.insert(table.deviation.end(), deviation.begin(), deviation.end());
  }
  table.groups = static_cast<int32_t>(groups.size());
  return table;
}

std::string SerializeCells(const core::Clustering& clustering) {
  base::ByteWriter writer;
  writer.Number<int64_t>(clustering.cells.count);
  writer.Number<int64_t>(clustering.cells.dim);
  writer.Vector(clustering.cells.centroids);
  writer.Vector(clustering.cells.tightness);
  writer.Number<double>(clustering.cells.spread);
  writer.Vector(clustering.assignment.cell);
  writer.Vector(clustering.assignment.group);
  writer.Number<int32_t>(clustering.assignment.groups);
  return writer.Take();
}

absl::StatusOr<core::Clustering> ParseCells(const std::string& bytes) {
  base::ByteReader reader(bytes);
  core::Clustering clustering;
  clustering.cells.count = reader.Number<int64_t>();
  clustering.cells.dim = reader.Number<int64_t>();
  clustering.cells.centroids = reader.Vector<float>();
  clustering.cells.tightness = reader.Vector<double>();
  clustering.cells.spread = reader.Number<double>();
  clustering.assignment.cell = reader.Vector<int32_t>();
  clustering.assignment.group = reader.Vector<int32_t>();
  clustering.assignment.groups = reader.Number<int32_t>();
  if (!reader.Done()) return absl::DataLossError("the plan's cells cannot be read");
  return clustering;
}

}  // namespace mgral::runtime
