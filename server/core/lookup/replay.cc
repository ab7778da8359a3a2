#include "server/core/lookup/replay.h"

#include <algorithm>

#include "server/core/lookup/features.h"

namespace mgral::core {
namespace {

constexpr int kMostBases = 6, kFewestInBase = 8;

}  // namespace

std::vector<int> PlanReplay(int probes) {
  if (probes <= 0) return {};
  const int bases = std::clamp(probes / kFewestInBase, 1, kMostBases);
  std::vector<int> out;
  for (int b = 0; b < bases; ++b) out.push_back(probes / bases + (b < probes % bases ? 1 : 0));
  return out;
}

std::vector<float> LabeledReach(const TableInput& input) {
  const auto labeled =
      static_cast<int64_t>(input.labeled_objects.size()) / input.candidates.classes;
  return ReachOf(input.clustering.cells, input.labeled_embeddings, labeled);
}

std::vector<double> LabelFeatures(const TableInput& input, const LookupTable& pool,
                                  const std::vector<float>& labeled_reach,
                                  const std::vector<int64_t>& base,
                                  const std::vector<int64_t>& batch) {
  const auto content = [&](const std::vector<int64_t>& images) {
    return ContentOf(input.labeled_objects, labeled_reach, images, pool.cells.count, pool.classes);
  };
  return BatchFeatures(content(base), content(batch), pool.cell_share);
}

std::vector<ReplayProbe> ReplayRows(const TableInput& input, const LookupTable& pool,
                                    const std::vector<float>& labeled_reach,
                                    const std::vector<ReplayBase>& bases) {
  std::vector<ReplayProbe> rows;
  for (size_t b = 0; b < bases.size(); ++b) {
    for (const ReplayedBatch& batch : bases[b].batches) {
      ReplayProbe& row = rows.emplace_back();
      row.base = static_cast<int>(b);
      row.features = LabelFeatures(input, pool, labeled_reach, bases[b].images, batch.images);
      row.response = batch.response;
      row.held_positives = batch.held_positives;
      row.half_response = batch.half_response;
    }
  }
  return rows;
}

}  // namespace mgral::core
