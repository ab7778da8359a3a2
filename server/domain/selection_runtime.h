#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/batch.h"
#include "server/domain/cycle.h"
#include "server/domain/measurement.h"
#include "server/domain/model.h"
#include "server/domain/pool.h"
#include "server/domain/strategy.h"

namespace mgral::domain {

// The look-up table and the selector. Thread-safe. Results depend on the arguments alone: same
// seed, same result. Errors: CANCELLED when `progress` said so, INVALID_ARGUMENT naming the
// argument that does not fit, INTERNAL, RESOURCE_EXHAUSTED when memory runs out.
class SelectionRuntime {
 public:
  virtual ~SelectionRuntime() = default;

  // Turns expected_objects of the candidates, a detector's sums of scores, into what to expect by
  // the labeled images (equations 4a and 4b of docs/method.md). `labeled_objects`: of each of
  // `labeled`, per class, its boxes, those to be ignored aside. Unchanged without labeled images.
  virtual absl::Status ExpectObjects(const std::vector<ImageSignals>& labeled,
                                     const std::vector<std::vector<float>>& labeled_objects,
                                     std::vector<ImageSignals>* candidates) = 0;

  // Everything that a table is made from. `candidates`: U, in key order. `labeled`: L with the
  // signals of the current detector, of which the embeddings count.
  struct PlanRequest {
    int num_classes = 0;
    std::vector<ImageSignals> candidates;
    std::vector<ImageSignals> labeled;
    // Of each of `labeled`, per class: its boxes, those to be ignored aside.
    std::vector<std::vector<float>> labeled_objects;
    std::vector<double> class_ap;  // AP@.5 on V; NaN: unknown
    int batch_size = 20;
    int replay_probes = 0;
    uint64_t seed = 0;
  };
  // No candidates: no probes.
  virtual absl::StatusOr<ProbePlan> PlanProbes(const PlanRequest& request) = 0;

  struct TableRequest {
    PlanRequest inputs;
    ProbePlan plan;
    std::vector<ReplayBase> bases;       // one per plan.probes
    std::vector<RealizedGain> realized;  // of the cycles before
    // What was labeled since the snapshot before, by key, and what it brought; empty in a pool's
    // first cycle.
    std::vector<int64_t> newly_labeled;
    std::vector<double> previous_class_ap, class_gain;  // NaN: unknown
  };
  struct TableResult {
    std::string table;  // serialized
    TableReport report;
    std::vector<int> cells;                         // per candidate
    std::vector<std::string> entries;               // per candidate, bytes
    std::vector<std::vector<float>> expected_gain;  // per candidate, per class, of it alone
    // Of what is newly labeled, for the tables of later cycles; without features if there is none.
    RealizedGain newest;
  };
  // DATA_LOSS if plan.cells are not what PlanProbes made.
  virtual absl::StatusOr<TableResult> FitTable(const TableRequest& request) = 0;

  struct RankRequest {
    Strategy strategy = Strategy::kMgral;
    std::vector<ImageSignals> candidates;
    std::vector<ImageSignals> labeled;
    std::vector<int64_t> labeled_class_counts;  // boxes per class in L
    std::vector<double> class_ap50;             // of the detector on V; NaN or empty: unknown
    const TableResult* table = nullptr;         // of the candidates; where the strategy needs one
    int batch_size = 20;
    int limit = 10000;
    LabelingCost cost;  // of a candidate: per_image + per_box * ExpectedBoxes(it); may be 0
    std::string previous_selector;  // parameters, for a warm start; may be empty
    uint64_t seed = 0;
  };
  struct RankResult {
    std::vector<int64_t> image_keys;  // at most `limit`, best first; every prefix is a batch
    std::string selector;             // mgral: its parameters
    double selector_gain = 0, greedy_gain = 0;
    std::vector<std::pair<std::string, double>> metrics;
  };
  virtual absl::StatusOr<RankResult> Rank(const RankRequest& request, const Progress& progress) = 0;

  // A few sums; never waits for the device. INVALID_ARGUMENT for entries of another table,
  // FAILED_PRECONDITION "NO_TABLE" for a table that another release wrote.
  virtual absl::StatusOr<Gain> EstimateGain(const std::string& table,
                                            const std::vector<std::string>& entries) = 0;
};

}  // namespace mgral::domain
