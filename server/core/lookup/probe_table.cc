#include "server/core/lookup/probe_table.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/observation.h"

namespace mgral::core {
namespace {

// Of a class that the validation images do not hold: as good as not measured.
constexpr double kUnmeasuredVariance = 1e6;

std::vector<double> KnownOrZero(std::vector<double> values) {
  for (double& value : values) {
    if (!std::isfinite(value)) value = 0;
  }
  return values;
}

// Sets the response; what is unknown of it counts as not measured.
void SetResponse(const std::vector<double>& response, Observation* observation) {
  observation->response = KnownOrZero(response);
  observation->variance.assign(response.size(), 0.0);
  for (size_t c = 0; c < response.size(); ++c) {
    if (!std::isfinite(response[c])) observation->variance[c] = kUnmeasuredVariance;
  }
}

std::unordered_map<int64_t, int64_t> IndexOf(const std::vector<int64_t>& keys) {
  std::unordered_map<int64_t, int64_t> index;
  for (size_t i = 0; i < keys.size(); ++i) index[keys[i]] = static_cast<int64_t>(i);
  return index;
}

// The index of the control of the same kind and seed; -1 if there is none.
int64_t ControlOf(const ProbePlan& plan, const Probe& probe) {
  for (size_t i = 0; i < plan.probes.size(); ++i) {
    const Probe& other = plan.probes[i];
    if (other.control && other.replay == probe.replay && other.seed == probe.seed) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

void AddProbes(const ProbeEvidence& evidence, TableInput* input) {
  const CycleImages& images = evidence.images;
  const Cells& cells = input->clustering.cells;
  const ImageFeatures features = ComputeFeatures(input->candidates, input->labeled_objects);
  const EarlierImages newly_labeled = DescribeEarlier(images, images.newly_labeled);
  const CellAssignment newly_labeled_cells =
      AssignCells(cells, newly_labeled.embeddings, static_cast<int64_t>(newly_labeled.keys.size()));
  const auto candidate_index = IndexOf(images.candidates.keys);
  const auto newly_labeled_index = IndexOf(newly_labeled.keys);
  std::map<std::vector<int64_t>, int64_t> batch_ids;  // repeats of one batch share its id
  for (size_t i = 0; i < evidence.plan.probes.size(); ++i) {
    const Probe& probe = evidence.plan.probes[i];
    const int64_t control = ControlOf(evidence.plan, probe);
    if (probe.control || control < 0) continue;
    const auto& index = probe.replay ? newly_labeled_index : candidate_index;
    std::vector<int64_t> batch;
    for (const int64_t key : probe.keys) {
      const auto found = index.find(key);
      if (found != index.end()) batch.push_back(found->second);
    }
    if (batch.empty()) continue;
    const std::vector<double>& without = evidence.class_ap50[control];
    std::vector<double> response = evidence.class_ap50[i];
    for (size_t c = 0; c < response.size(); ++c) response[c] -= without.at(c);
    Observation observation =
        probe.replay
            ? Observe(ObservationKind::kReplay, cells, newly_labeled_cells, newly_labeled.features,
                      batch, KnownOrZero(response), false)
            : Observe(ObservationKind::kSemiSupervised, cells, input->clustering.assignment,
                      features, batch, KnownOrZero(response), true);
    SetResponse(response, &observation);
    if (probe.replay) observation.base_ap = KnownOrZero(without);
    observation.batch_id =
        batch_ids.emplace(probe.keys, static_cast<int64_t>(batch_ids.size())).first->second;
    input->observations.push_back(std::move(observation));
  }
}

void AddRealized(const CycleImages& images, const RealizedBatch& realized, TableInput* input) {
  if (static_cast<int64_t>(realized.class_gain.size()) != input->candidates.classes) {
    throw std::invalid_argument("realized.class_gain: has another number of classes");
  }
  const EarlierImages set = DescribeEarlier(images, realized.images);
  const int64_t n = static_cast<int64_t>(set.keys.size());
  if (n == 0) return;
  const Cells& cells = input->clustering.cells;
  std::vector<int64_t> batch(n);
  std::iota(batch.begin(), batch.end(), 0);
  Observation observation =
      Observe(ObservationKind::kRealized, cells, AssignCells(cells, set.embeddings, n),
              set.features, batch, KnownOrZero(realized.class_gain), false);
  SetResponse(realized.class_gain, &observation);
  input->observations.push_back(std::move(observation));
}

}  // namespace

LookupTable FitTableFromProbes(const ProbeEvidence& evidence) {
  if (evidence.class_ap50.size() != evidence.plan.probes.size()) {
    throw std::invalid_argument("class_ap50: there must be one response per probe");
  }
  TableInput input;
  input.candidates = evidence.images.candidates.signals;
  input.clustering = evidence.plan.clustering;
  input.labeled_objects = evidence.images.labeled_objects;
  input.labeled_images = static_cast<int64_t>(evidence.images.labeled_keys.size());
  input.class_ap = evidence.images.class_ap;
  AddProbes(evidence, &input);
  for (const RealizedBatch& realized : evidence.realized) {
    AddRealized(evidence.images, realized, &input);
  }
  return FitTable(input);
}

}  // namespace mgral::core
