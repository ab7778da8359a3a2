#include "server/core/lookup/fit_table.h"

#include <chrono>
#include <cmath>
#include <map>
#include <unordered_map>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/observation.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/revealed.h"
#include "server/runtime/table_entry.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using core::Observation;
using core::ObservationKind;
using ProbeBatch = domain::ModelRuntime::ProbeBatch;
using ProbeResponse = domain::ModelRuntime::ProbeResponse;
using RealisedBatch = domain::ModelRuntime::RealisedBatch;
using TableRequest = domain::ModelRuntime::TableRequest;
using TableResult = domain::ModelRuntime::TableResult;

// Of a class that the validation images do not hold: as good as not measured.
constexpr double kUnmeasuredVariance = 1e6;
constexpr int kTimedLookups = 2000;

// Takes unknown numbers out of an observation's response.
void MarkUnmeasured(Observation* observation) {
  observation->variance.assign(observation->response.size(), 0.0);
  for (size_t c = 0; c < observation->response.size(); ++c) {
    if (std::isfinite(observation->response[c])) continue;
    observation->response[c] = 0;
    observation->variance[c] = kUnmeasuredVariance;
  }
}

std::vector<double> Known(std::vector<double> ap) {
  for (double& value : ap) {
    if (!std::isfinite(value)) value = 0;
  }
  return ap;
}

std::unordered_map<int64_t, int64_t> IndexOf(const std::vector<domain::ImageSignals>& signals) {
  std::unordered_map<int64_t, int64_t> index;
  for (size_t i = 0; i < signals.size(); ++i) index[signals[i].image_key] = i;
  return index;
}

// Everything that observations are described with.
struct Context {
  const TableRequest* request = nullptr;
  core::TableInput input;
  core::ImageFeatures features;  // of the candidates
  Revealed revealed;
  core::CellAssignment revealed_cells;
};

absl::StatusOr<Context> MakeContext(const TableRequest& request) {
  Context context;
  context.request = &request;
  core::TableInput& input = context.input;
  auto candidates = ToCore(request.inputs.candidates, request.inputs.num_classes);
  if (!candidates.ok()) return candidates.status();
  auto clustering = ParseCells(request.plan.cells);
  if (!clustering.ok()) return clustering.status();
  input.candidates = *std::move(candidates);
  input.clustering = *std::move(clustering);
  input.labelled_objects = LabelledObjects(request.inputs);
  input.labelled_images = static_cast<int64_t>(request.inputs.labeled.size());
  input.class_ap = KnownAp(request.inputs.validation, request.inputs.num_classes);
  context.features = core::ComputeFeatures(input.candidates, input.labelled_objects);
  auto revealed = DescribeRevealed(request.inputs, request.inputs.revealed);
  if (!revealed.ok()) return revealed.status();
  context.revealed = *std::move(revealed);
  context.revealed_cells = core::AssignCells(input.clustering.cells, context.revealed.embeddings,
                                             static_cast<int64_t>(context.revealed.signals.size()));
  return context;
}

// The control of the same kind and seed; null if there is none.
const ProbeResponse* ControlOf(const TableRequest& request, const ProbeBatch& probe) {
  for (size_t i = 0; i < request.plan.probes.size(); ++i) {
    const ProbeBatch& other = request.plan.probes[i];
    if (other.control && other.replay == probe.replay && other.seed == probe.seed) {
      return &request.responses[i];
    }
  }
  return nullptr;
}

// One observation per probe that has a control: AP with the batch minus AP without.
void AddProbes(Context* context) {
  const TableRequest& request = *context->request;
  const auto candidates = IndexOf(request.inputs.candidates);
  const auto revealed = IndexOf(context->revealed.signals);
  std::map<std::vector<int64_t>, int64_t> batch_ids;  // repeats of one batch share its id
  for (size_t i = 0; i < request.plan.probes.size(); ++i) {
    const ProbeBatch& probe = request.plan.probes[i];
    const ProbeResponse* control = ControlOf(request, probe);
    if (probe.control || control == nullptr) continue;
    const auto& index = probe.replay ? revealed : candidates;
    std::vector<int64_t> batch;
    for (const int64_t key : probe.image_keys) {
      const auto found = index.find(key);
      if (found != index.end()) batch.push_back(found->second);
    }
    if (batch.empty()) continue;
    std::vector<double> response = request.responses[i].class_ap50;
    for (size_t c = 0; c < response.size(); ++c) response[c] -= control->class_ap50.at(c);
    const core::Cells& cells = context->input.clustering.cells;
    Observation observation =
        probe.replay ? core::Observe(ObservationKind::kReplay, cells, context->revealed_cells,
                                     context->revealed.features, batch, Known(response), false)
                     : core::Observe(ObservationKind::kSemiSupervised, cells,
                                     context->input.clustering.assignment, context->features, batch,
                                     Known(response), true);
    observation.response = response;
    MarkUnmeasured(&observation);
    if (probe.replay) observation.base_ap = Known(control->class_ap50);
    observation.batch_id =
        batch_ids.emplace(probe.image_keys, static_cast<int64_t>(batch_ids.size())).first->second;
    context->input.observations.push_back(std::move(observation));
  }
}

absl::Status AddRealised(const RealisedBatch& realised, Context* context) {
  if (static_cast<int>(realised.class_gain.size()) != context->request->inputs.num_classes) {
    return absl::InvalidArgumentError("a realised gain has another number of classes");
  }
  const auto set = DescribeRevealed(context->request->inputs, realised.images);
  if (!set.ok()) return set.status();
  const int64_t n = static_cast<int64_t>(set->signals.size());
  if (n == 0) return absl::OkStatus();
  const core::Cells& cells = context->input.clustering.cells;
  const core::CellAssignment assignment = core::AssignCells(cells, set->embeddings, n);
  std::vector<int64_t> batch(n);
  for (int64_t i = 0; i < n; ++i) batch[i] = i;
  Observation observation = core::Observe(ObservationKind::kRealised, cells, assignment,
                                          set->features, batch, Known(realised.class_gain), false);
  observation.response = realised.class_gain;
  MarkUnmeasured(&observation);
  context->input.observations.push_back(std::move(observation));
  return absl::OkStatus();
}

// Seconds of one look-up of a batch's gain.
double TimeLookup(const core::LookupTable& table, int batch_size) {
  if (table.images == 0) return 0;
  core::GainEvaluator evaluator(table);
  std::vector<int64_t> batch;
  for (int i = 0; i < batch_size; ++i) batch.push_back((i * 7919LL) % table.images);
  double sum = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimedLookups; ++i) {
    batch[i % batch.size()] = i % table.images;
    sum += evaluator.Gain(batch);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return std::isfinite(sum) ? elapsed.count() / kTimedLookups : 0;
}

domain::TableReport Report(const TableRequest& request, const core::LookupTable& table) {
  domain::TableReport report;
  double seconds = 0;
  for (size_t i = 0; i < request.plan.probes.size(); ++i) {
    const ProbeBatch& probe = request.plan.probes[i];
    seconds += request.responses[i].seconds;
    if (!probe.control) ++(probe.replay ? report.replay_probes : report.probes);
  }
  if (!request.responses.empty()) report.seconds_per_probe = seconds / request.responses.size();
  const auto known = [](double value) { return std::isfinite(value) ? value : 0.0; };
  report.cells = table.cells.count;
  if (std::isfinite(table.fidelity.fidelity)) report.fidelity = table.fidelity.fidelity;
  report.response_fidelity = known(table.fidelity.response_fidelity);
  report.test_retest = known(table.fidelity.ceiling);
  report.seconds_per_lookup = TimeLookup(table, request.inputs.batch_size);
  return report;
}

// Gain per class of each image alone: n_k = 1, so phi is 1 and there are no pairs.
std::vector<std::vector<float>> GainsAlone(const core::LookupTable& table) {
  std::vector<std::vector<float>> gains(table.images, std::vector<float>(table.classes));
  for (int64_t i = 0; i < table.images; ++i) {
    for (int64_t c = 0; c < table.classes; ++c) {
      const double x = table.cell_gain[table.cell_of[i] * table.classes + c] +
                       table.image_gain[i * table.classes + c];
      gains[i][c] = static_cast<float>(core::Saturate(x, std::max(1e-3, 1 - table.class_ap[c])));
    }
  }
  return gains;
}

absl::StatusOr<TableResult> Fit(const TableRequest& request) {
  if (request.responses.size() != request.plan.probes.size()) {
    return absl::InvalidArgumentError("there must be one response per probe");
  }
  auto context = MakeContext(request);
  if (!context.ok()) return context.status();
  AddProbes(&*context);
  for (const RealisedBatch& realised : request.realised) {
    const absl::Status added = AddRealised(realised, &*context);
    if (!added.ok()) return added;
  }
  const core::LookupTable table = core::FitTable(context->input);
  TableResult result;
  result.table = SharedPart(table);
  result.report = Report(request, table);
  result.cells.assign(table.cell_of.begin(), table.cell_of.end());
  result.entries = ImageEntries(table);
  result.expected_gain = GainsAlone(table);
  return result;
}

}  // namespace

absl::StatusOr<TableResult> TorchRuntime::FitTable(const TableRequest& request) {
  return device_->Run([&] { return Fit(request); });
}

}  // namespace mgral::runtime
