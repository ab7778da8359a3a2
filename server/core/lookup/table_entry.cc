#include "server/core/lookup/table_entry.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>

#include "server/core/bytes.h"

namespace mgral::core {
namespace {

struct Entry {
  int32_t cell = 0;
  int32_t group = 0;
  std::vector<float> missed;  // [C]
  std::vector<float> reach;   // [K]
};

Entry ParseEntry(const std::string& bytes) {
  ByteReader in(bytes);
  Entry entry;
  entry.cell = in.Get<int32_t>();
  entry.group = in.Get<int32_t>();
  entry.missed = in.GetArray<float>();
  entry.reach = in.GetArray<float>();
  in.End();
  return entry;
}

bool Belongs(const Entry& entry, const LookupTable& shared) {
  if (entry.cell < 0 || entry.cell >= shared.cells.count) return false;
  if (static_cast<int64_t>(entry.missed.size()) != shared.classes) return false;
  if (static_cast<int64_t>(entry.reach.size()) != shared.cells.count) return false;
  return std::all_of(entry.missed.begin(), entry.missed.end(),
                     [](float value) { return std::isfinite(value) && value >= 0; }) &&
         std::all_of(entry.reach.begin(), entry.reach.end(),
                     [](float value) { return value >= 0 && value <= 1; });
}

}  // namespace

std::string SerializeShared(const LookupTable& table) {
  LookupTable shared = table;
  shared.images = 0;
  shared.groups = 0;
  shared.cell_of.clear();
  shared.group_of.clear();
  shared.missed.clear();
  shared.reach.clear();
  return shared.Serialize();
}

std::vector<std::string> SerializeEntries(const LookupTable& table) {
  std::vector<std::string> entries;
  entries.reserve(table.images);
  for (int64_t i = 0; i < table.images; ++i) {
    ByteWriter out;
    out.Put(table.cell_of[i]);
    out.Put(table.group_of[i]);
    out.PutArray(&table.missed[i * table.classes], table.classes);
    out.PutArray(&table.reach[i * table.cells.count], table.cells.count);
    entries.push_back(out.Take());
  }
  return entries;
}

LookupTable AssembleTable(const LookupTable& shared, const std::vector<std::string>& entries) {
  LookupTable table = shared;
  table.images = static_cast<int64_t>(entries.size());
  std::map<int32_t, int32_t> groups;  // as stored, to 0, 1, ...
  for (const std::string& bytes : entries) {
    const Entry entry = ParseEntry(bytes);
    if (!Belongs(entry, shared)) {
      throw std::invalid_argument("entries: one does not belong to this look-up table");
    }
    table.cell_of.push_back(entry.cell);
    table.group_of.push_back(
        groups.emplace(entry.group, static_cast<int32_t>(groups.size())).first->second);
    table.missed.insert(table.missed.end(), entry.missed.begin(), entry.missed.end());
    table.reach.insert(table.reach.end(), entry.reach.begin(), entry.reach.end());
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
