#include "server/core/lookup/plan_probes.h"

#include <algorithm>
#include <map>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/revealed.h"
#include "server/runtime/table_entry.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using Plan = domain::ModelRuntime::Plan;
using PlanRequest = domain::ModelRuntime::PlanRequest;
using ProbeBatch = domain::ModelRuntime::ProbeBatch;

// From so many probes on, two seeds share them: a control's own noise then shifts half of them
// only.
constexpr int kProbesForTwoSeeds = 6;
// From so many replay probes on, every batch is measured twice, which gives the test-retest
// ceiling.
constexpr int kReplaysForRepeats = 12;
constexpr size_t kLeastRevealed = 6;

void AddControls(bool replay, int seeds, uint64_t seed, Plan* plan) {
  for (int s = 0; s < seeds; ++s) {
    ProbeBatch control;
    control.replay = replay;
    control.control = true;
    control.seed = seed + s;
    plan->probes.push_back(control);
  }
}

void AddProbe(bool replay, const std::vector<int64_t>& batch,
              const std::vector<domain::ImageSignals>& images, uint64_t seed, Plan* plan) {
  ProbeBatch probe;
  probe.replay = replay;
  probe.seed = seed;
  for (const int64_t index : batch) probe.image_keys.push_back(images[index].image_key);
  plan->probes.push_back(probe);
}

void PlanSemiSupervised(const PlanRequest& request, const core::Clustering& clustering,
                        Plan* plan) {
  if (request.probes <= 0) return;
  const auto batches = core::PlanProbes(clustering.cells, clustering.assignment, request.probes,
                                        request.batch_size, request.seed);
  if (batches.empty()) return;
  const int seeds = request.probes >= kProbesForTwoSeeds ? 2 : 1;
  AddControls(false, seeds, request.seed, plan);
  for (size_t i = 0; i < batches.size(); ++i) {
    AddProbe(false, batches[i], request.candidates, request.seed + i % seeds, plan);
  }
}

absl::Status PlanReplayProbes(const PlanRequest& request, Plan* plan) {
  if (request.replay_probes <= 0 || request.revealed.size() < kLeastRevealed) {
    return absl::OkStatus();
  }
  const auto revealed = DescribeRevealed(request, request.revealed);
  if (!revealed.ok()) return revealed.status();
  const int repeats = request.replay_probes >= kReplaysForRepeats ? 2 : 1;
  const auto batches = core::PlanReplay(revealed->features, request.replay_probes / repeats,
                                        request.batch_size, request.seed);
  const uint64_t seed = request.seed + 1000;
  AddControls(true, repeats, seed, plan);
  for (const std::vector<int64_t>& batch : batches) {
    for (int r = 0; r < repeats; ++r) AddProbe(true, batch, revealed->signals, seed + r, plan);
  }
  return absl::OkStatus();
}

absl::StatusOr<Plan> MakePlan(const PlanRequest& request) {
  const auto candidates = ToCore(request.candidates, request.num_classes);
  if (!candidates.ok()) return candidates.status();
  const core::Clustering clustering = core::ClusterCells(candidates->embeddings, candidates->images,
                                                         candidates->dim, 0, request.seed);
  Plan plan;
  plan.cells = SerializeCells(clustering);
  PlanSemiSupervised(request, clustering, &plan);
  const absl::Status replay = PlanReplayProbes(request, &plan);
  if (!replay.ok()) return replay;
  return plan;
}

}  // namespace

absl::StatusOr<Plan> TorchRuntime::PlanProbes(const PlanRequest& request) {
  return device_->Run([&] { return MakePlan(request); });
}

}  // namespace mgral::runtime
