#include "server/core/lookup/table_entry.h"

#include <cstdint>
#include <map>
#include <stdexcept>

#include "server/core/bytes.h"

namespace mgral::core {
namespace {

// The image's part of an array with as many values for each image; tables that were made by hand
// have no deviation.
void PutRow(const std::vector<float>& all, int64_t image, int64_t images, ByteWriter* out) {
  const int64_t width = static_cast<int64_t>(all.size()) / images;
  out->PutArray(all.data() + image * width, width);
}

struct Entry {
  int32_t cell = 0;
  int32_t group = 0;
  std::vector<float> gain;       // [C]
  std::vector<float> deviation;  // [C, kNumImageFeatures]
};

Entry ParseEntry(const std::string& bytes) {
  ByteReader in(bytes);
  Entry entry;
  entry.cell = in.Get<int32_t>();
  entry.group = in.Get<int32_t>();
  entry.gain = in.GetArray<float>();
  entry.deviation = in.GetArray<float>();
  in.End();
  return entry;
}

}  // namespace

std::string SerializeShared(const LookupTable& table) {
  LookupTable shared = table;
  shared.images = 0;
  shared.groups = 0;
  shared.image_gain.clear();
  shared.cell_of.clear();
  shared.group_of.clear();
  shared.deviation.clear();
  return shared.Serialize();
}

std::vector<std::string> SerializeEntries(const LookupTable& table) {
  std::vector<std::string> entries;
  entries.reserve(table.images);
  for (int64_t i = 0; i < table.images; ++i) {
    ByteWriter out;
    out.Put(table.cell_of[i]);
    out.Put(table.group_of[i]);
    PutRow(table.image_gain, i, table.images, &out);
    PutRow(table.deviation, i, table.images, &out);
    entries.push_back(out.Take());
  }
  return entries;
}

LookupTable AssembleTable(const LookupTable& shared, const std::vector<std::string>& entries) {
  LookupTable table = shared;
  table.images = static_cast<int64_t>(entries.size());
  std::map<int32_t, int32_t> groups;  // as stored, to 0, 1, ...
  size_t deviation_size = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry entry = ParseEntry(entries[i]);
    if (i == 0) deviation_size = entry.deviation.size();
    if (entry.cell < 0 || entry.cell >= shared.cells.count ||
        static_cast<int64_t>(entry.gain.size()) != shared.classes ||
        entry.deviation.size() != deviation_size) {
      throw std::invalid_argument("entries: one does not belong to this look-up table");
    }
    table.cell_of.push_back(entry.cell);
    table.group_of.push_back(
        groups.emplace(entry.group, static_cast<int32_t>(groups.size())).first->second);
    table.image_gain.insert(table.image_gain.end(), entry.gain.begin(), entry.gain.end());
    table.deviation.insert(table.deviation.end(), entry.deviation.begin(), entry.deviation.end());
  }
  table.groups = static_cast<int32_t>(groups.size());
  return table;
}

std::string SerializeCells(const Clustering& clustering) {
  ByteWriter out;
  out.Put(clustering.cells.count);
  out.Put(clustering.cells.dim);
  out.PutArray(clustering.cells.centroids);
  out.PutArray(clustering.cells.tightness);
  out.Put(clustering.cells.spread);
  out.PutArray(clustering.assignment.cell);
  out.PutArray(clustering.assignment.group);
  out.Put(clustering.assignment.groups);
  return out.Take();
}

Clustering ParseCells(const std::string& bytes) {
  ByteReader in(bytes);
  Clustering clustering;
  clustering.cells.count = in.Get<int64_t>();
  clustering.cells.dim = in.Get<int64_t>();
  clustering.cells.centroids = in.GetArray<float>();
  clustering.cells.tightness = in.GetArray<double>();
  clustering.cells.spread = in.Get<double>();
  clustering.assignment.cell = in.GetArray<int32_t>();
  clustering.assignment.group = in.GetArray<int32_t>();
  clustering.assignment.groups = in.Get<int32_t>();
  in.End();
  return clustering;
}

}  // namespace mgral::core
