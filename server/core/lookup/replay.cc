#include "server/core/lookup/replay.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "server/core/lookup/features.h"

namespace mgral::core {
namespace {

constexpr int kMostBases = 6, kFewestInBase = 8;
// Pseudo-objects: as many with the missed share of all classes are added to those of each class,
// and as many that are missed to those of all classes.
constexpr double kPseudoObjects = 16;

std::vector<double> CountBatch(const TableInput& input, const ReplayedBatch& batch) {
  return CountObjects(input.labeled_objects, batch.images, input.candidates.classes);
}

std::vector<double> MissedIn(const TableInput& input, const ReplayedBatch& batch) {
  if (batch.missed.empty()) return CountBatch(input, batch);
  if (static_cast<int64_t>(batch.missed.size()) != input.candidates.classes) {
    throw std::invalid_argument("missed: has a wrong number of values");
  }
  for (const double objects : batch.missed) {
    if (!std::isfinite(objects) || objects < 0) {
      throw std::invalid_argument("missed: must be finite and not negative");
    }
  }
  return batch.missed;
}

}  // namespace

std::vector<int> PlanReplay(int probes) {
  if (probes <= 0) return {};
  const int bases = std::clamp(probes / kFewestInBase, 1, kMostBases);
  std::vector<int> out;
  for (int b = 0; b < bases; ++b) out.push_back(probes / bases + (b < probes % bases ? 1 : 0));
  return out;
}

std::vector<double> LabelFeatures(const TableInput& input, const LookupTable& pool,
                                  const std::vector<float>& labeled_reach,
                                  const std::vector<int64_t>& base,
                                  const std::vector<int64_t>& batch,
                                  const std::vector<double>& missed) {
  const auto content = [&](const std::vector<int64_t>& images) {
    return ContentOf(input.labeled_objects, labeled_reach, images, pool.cells.count, pool.classes);
  };
  SetContent added = content(batch);
  added.objects = missed;
  return BatchFeatures(content(base), added, pool.cell_share);
}

std::vector<double> MissedShare(const TableInput& input, const std::vector<ReplayBase>& bases) {
  CheckInput(input);
  const int64_t classes = input.candidates.classes;
  std::vector<double> missed(classes, 0.0), probed(classes, 0.0);
  double all_missed = kPseudoObjects, all_probed = kPseudoObjects;
  for (const ReplayBase& base : bases) {
    for (const ReplayedBatch& batch : base.batches) {
      const std::vector<double> objects = CountBatch(input, batch);
      const std::vector<double> each = MissedIn(input, batch);
      for (int64_t c = 0; c < classes; ++c) {
        missed[c] += each[c];
        probed[c] += objects[c];
        all_missed += each[c];
        all_probed += objects[c];
      }
    }
  }
  const double overall = all_missed / all_probed;
  for (int64_t c = 0; c < classes; ++c) {
    missed[c] = (missed[c] + kPseudoObjects * overall) / (probed[c] + kPseudoObjects);
    missed[c] = std::min(1.0, missed[c]);
  }
  return missed;
}

std::vector<ReplayProbe> ReplayRows(const TableInput& input, const LookupTable& pool,
                                    const std::vector<float>& labeled_reach,
                                    const std::vector<ReplayBase>& bases) {
  std::vector<ReplayProbe> rows;
  for (size_t b = 0; b < bases.size(); ++b) {
    for (const ReplayedBatch& batch : bases[b].batches) {
      ReplayProbe& row = rows.emplace_back();
      row.base = static_cast<int>(b);
      row.features = LabelFeatures(input, pool, labeled_reach, bases[b].images, batch.images,
                                   MissedIn(input, batch));
      row.response = batch.response;
      row.held_positives = batch.held_positives;
      row.half_response = batch.half_response;
    }
  }
  return rows;
}

}  // namespace mgral::core
