#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/batch.h"
#include "server/domain/cycle.h"
#include "server/domain/image.h"
#include "server/domain/labels.h"
#include "server/domain/model.h"
#include "server/domain/pool.h"

namespace mgral::domain {

// An image with its labels, to train or measure on.
struct Example {
  Image image;
  std::vector<Box> boxes;
};

// What one pass of the detector over an image and its mirror image says of it (equations 4 to 6).
struct ImageSignals {
  int64_t image_key = 0;
  std::vector<float> embedding;         // at most 128
  std::vector<float> expected_objects;  // per class
  std::vector<float> uncertainty;       // per class
  float disagreement = 0;
  std::vector<Box> predictions;  // in the original image's pixels
  std::string error;             // not empty: the image cannot be decoded, the rest is unset
};

// Told how much is done, in [0, 1]; false asks the work to stop, which then gives CANCELLED.
using Progress = std::function<bool(double fraction)>;

// The device's work. Calls may come from any thread; the runtime serialises those that need the
// device. Results depend only on the arguments (same seed, same result). Errors: CANCELLED,
// INTERNAL with the device's own words, RESOURCE_EXHAUSTED when memory runs out.
class ModelRuntime {
 public:
  virtual ~ModelRuntime() = default;

  // Is there such a detector profile, and what does it take?
  struct ProfileInfo {
    int input_size = 0;
    int probes = 0, replay_probes = 0;
  };
  virtual absl::StatusOr<ProfileInfo> Profile(const std::string& name) = 0;

  struct TrainRequest {
    DetectorSettings detector;
    int num_classes = 0;
    std::vector<Example> training, validation;
    std::string warm_start_path;    // weights; empty: from scratch
    std::string checkpoint_folder;  // resumes from what it holds
    uint64_t seed = 0;
  };
  struct TrainResult {
    std::string weights_path;  // in checkpoint_folder
    int64_t parameters = 0;
    Accuracy validation;
    std::vector<std::pair<std::string, double>> metrics;
  };
  // Without training images the weights are the untrained backbone's (cold start).
  virtual absl::StatusOr<TrainResult> Train(const TrainRequest& request,
                                            const Progress& progress) = 0;

  virtual absl::StatusOr<std::vector<ImageSignals>> Embed(const std::string& weights_path,
                                                          const std::vector<Image>& images,
                                                          const Progress& progress) = 0;

  // Everything that a table is made from. `candidates`: U, in key order. `labeled`: L with the
  // signals of the current detector (embeddings count; uncertainty of seen images does not).
  // `revealed`: images labelled since the previous snapshot, with the signals that the previous
  // detector had of them, and their labels: what replay probes are made of.
  struct PlanRequest {
    int num_classes = 0;
    std::vector<ImageSignals> candidates;
    std::vector<ImageSignals> labeled;
    std::vector<ImageSignals> revealed;
    std::vector<int64_t> labeled_class_counts;  // boxes per class in L
    Accuracy validation;
    int batch_size = 20;
    int probes = 0, replay_probes = 0;
    uint64_t seed = 0;
  };
  struct ProbeBatch {
    bool replay = false;
    bool control = false;             // no images: what the others are compared with
    std::vector<int64_t> image_keys;  // candidates, or revealed if replay
    uint64_t seed = 0;
  };
  struct Plan {
    std::vector<ProbeBatch> probes;
    std::string cells;  // serialised k-means result, handed to FitTable
  };
  virtual absl::StatusOr<Plan> PlanProbes(const PlanRequest& request) = 0;

  struct ProbeRequest {
    std::string weights_path;  // of the detector that the probe starts from
    DetectorSettings detector;
    int num_classes = 0;
    std::vector<Example> labeled;  // L (replay: what that detector was trained on)
    std::vector<Example> batch;    // boxes are used by replay probes only
    std::vector<Example> validation;
    ProbeBatch probe;
  };
  struct ProbeResponse {
    std::vector<double> class_ap50;  // NaN without ground truth
    std::vector<double> class_loss;
    double seconds = 0;
  };
  virtual absl::StatusOr<ProbeResponse> RunProbe(const ProbeRequest& request,
                                                 const Progress& progress) = 0;

  struct RealisedBatch {
    std::vector<ImageSignals> images;  // by the snapshot that handed them out
    std::vector<double> class_gain;    // NaN where unknown
  };
  struct TableRequest {
    PlanRequest inputs;
    Plan plan;
    std::vector<ProbeResponse> responses;  // one per plan.probes
    std::vector<RealisedBatch> realised;
  };
  struct TableResult {
    std::string table;  // serialised
    TableReport report;
    std::vector<int> cells;                         // per candidate
    std::vector<std::string> entries;               // per candidate, bytes
    std::vector<std::vector<float>> expected_gain;  // per candidate, per class, of it alone
  };
  virtual absl::StatusOr<TableResult> FitTable(const TableRequest& request) = 0;

  struct RankRequest {
    std::string strategy;  // mgral, lookup_greedy, entropy, margin, core_set, random, cold_start
    std::vector<ImageSignals> candidates;
    std::vector<ImageSignals> labeled;
    const TableResult* table = nullptr;  // mgral and lookup_greedy need it
    int batch_size = 20;
    int limit = 10000;
    std::string previous_selector;  // parameters, for a warm start; may be empty
    uint64_t seed = 0;
  };
  struct RankResult {
    std::vector<int64_t> image_keys;  // best first; every prefix is a batch
    std::string selector;             // mgral: parameters of the policy
    double selector_gain = 0, greedy_gain = 0;
    std::vector<std::pair<std::string, double>> metrics;
  };
  virtual absl::StatusOr<RankResult> Rank(const RankRequest& request, const Progress& progress) = 0;

  // A few sums; never waits for the device.
  virtual absl::StatusOr<Gain> EstimateGain(const std::string& table,
                                            const std::vector<std::string>& entries) = 0;

  struct Predictions {
    std::vector<Box> boxes;
    int width = 0, height = 0;
    std::string error;  // this image cannot be decoded
  };
  // `bytes[i]` is used where images[i].source.location is empty.
  virtual absl::StatusOr<std::vector<Predictions>> Predict(const std::string& weights_path,
                                                           const std::vector<Image>& images,
                                                           const std::vector<std::string>& bytes,
                                                           double min_score) = 0;
};

}  // namespace mgral::domain
