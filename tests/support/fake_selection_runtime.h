#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/domain/selection_runtime.h"

namespace mgral::test {

// A table by which every image is worth 0.01 of AP in every class, and strategies that rank by the
// images' keys; the features of a gain are the number of its images, and 1. Keeps what
// SelectionRuntime promises (tests/conformance/selection_runtime_test.cc). Thread-safe.
class FakeSelectionRuntime : public domain::SelectionRuntime {
 public:
  // Fewer labeled images are not replayed.
  static constexpr size_t kFewestReplayed = 8;
  static constexpr int kProbesPerBase = 8;  // at most

  static std::string Table(int classes) { return absl::StrCat("fake table ", classes); }
  static std::string Entry() { return "fake entry"; }

  absl::Status ExpectObjects(const std::vector<domain::ImageSignals>&,
                             const std::vector<std::vector<float>>&,
                             std::vector<domain::ImageSignals>*) override {
    return absl::OkStatus();
  }

  absl::StatusOr<domain::ProbePlan> PlanProbes(const PlanRequest& request) override {
    domain::ProbePlan plan;
    plan.cells = Cells(request);
    plan.seed = request.seed;
    if (request.candidates.empty() || request.labeled.size() < kFewestReplayed) return plan;
    for (int left = request.replay_probes; left > 0; left -= kProbesPerBase) {
      plan.probes.push_back(std::min(left, kProbesPerBase));
    }
    return plan;
  }

  absl::StatusOr<TableResult> FitTable(const TableRequest& request) override {
    if (request.bases.size() != request.plan.probes.size()) {
      return absl::InvalidArgumentError("bases: there must be one per base of the plan");
    }
    if (request.plan.cells != Cells(request.inputs)) {
      return absl::DataLossError("the plan's cells cannot be read");
    }
    TableResult result;
    result.table = Table(request.inputs.num_classes);
    result.report.cells = 1;
    for (const domain::ReplayBase& base : request.bases) {
      result.report.replay_probes += static_cast<int64_t>(base.probes.size());
    }
    if (!request.newly_labeled.empty()) {
      const auto labels = static_cast<double>(request.newly_labeled.size());
      result.newest = {{labels, 1.0}, request.previous_class_ap, request.class_gain};
    }
    const size_t images = request.inputs.candidates.size();
    result.cells.assign(images, 0);
    result.entries.assign(images, Entry());
    result.expected_gain.assign(images, std::vector<float>(request.inputs.num_classes, kGain));
    return result;
  }

  absl::StatusOr<RankResult> Rank(const RankRequest& request,
                                  const domain::Progress& progress) override {
    RankResult result;
    if (request.candidates.empty()) return result;
    const domain::StrategyInfo& strategy = domain::InfoOf(request.strategy);
    if (strategy.needs_table &&
        (request.table == nullptr || request.table->entries.size() != request.candidates.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat(strategy.name, " needs a table of the candidates"));
    }
    if (request.strategy == domain::Strategy::kMgral) {
      if (progress && !progress(0.5)) return absl::CancelledError("the work was asked to stop");
      result.selector = "fake selector";
      result.selector_gain = result.greedy_gain = kGain * request.batch_size;
      result.metrics = {{"selector_gain", result.selector_gain}};
    }
    for (const domain::ImageSignals& image : request.candidates) {
      result.image_keys.push_back(image.image_key);
    }
    std::sort(result.image_keys.begin(), result.image_keys.end());
    result.image_keys.resize(
        std::min<size_t>(result.image_keys.size(), std::max(0, request.limit)));
    return result;
  }

  absl::StatusOr<domain::Gain> EstimateGain(const std::string& table,
                                            const std::vector<std::string>& entries) override {
    int classes = 0;
    if (!absl::StartsWith(table, "fake table ") ||
        !absl::SimpleAtoi(table.substr(Table(0).size() - 1), &classes)) {
      return absl::InvalidArgumentError("not a look-up table");
    }
    for (const std::string& entry : entries) {
      if (entry != Entry()) return absl::InvalidArgumentError("an entry of another table");
    }
    domain::Gain gain;
    gain.mean = 0.01 * static_cast<double>(entries.size());
    gain.class_mean.assign(classes, gain.mean);
    gain.class_standard_error.assign(classes, 0.0);
    return gain;
  }

 private:
  static constexpr float kGain = 0.01f;

  static std::string Cells(const PlanRequest& request) {
    return absl::StrCat("fake cells of ", request.candidates.size(), " images");
  }
};

}  // namespace mgral::test
