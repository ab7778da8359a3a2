#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace mgral::domain {

enum class CycleState { kQueued = 1, kRunning = 2, kSucceeded = 3, kFailed = 4, kCanceled = 5 };

enum class CycleStage {
  kTrain = 1,
  kEmbed = 2,
  kProbe = 3,
  kTable = 4,
  kSelector = 5,
  kPublish = 6
};

struct StageProgress {
  CycleStage stage = CycleStage::kTrain;
  double fraction = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> metrics;
};

// A feature's weight that all classes share, as the table has it and as the prior did.
struct FeatureWeight {
  std::string feature;
  double weight = 0;
  std::vector<double> covariance;  // with the weight of every feature, in their order
  double prior_weight = 0, prior_sd = 0;
  double random_gain = 0;  // of a random batch, per unit of the weight, with kappa = 1
};

struct TableReport {
  int64_t probes = 0, replay_probes = 0, cells = 0;
  std::optional<double> fidelity;
  double response_fidelity = 0;
  double seconds_per_probe = 0, seconds_per_lookup = 0;
  double selector_gain = 0, greedy_gain = 0;
  double test_retest = 0;
  std::vector<FeatureWeight> weights;
  bool weights_fitted = false;
  double kappa = 0, kappa_sd = 0, residual_share = 0;
  double level = 0;  // what the prior of kappa was multiplied by
};

// An image that a cycle could not use, and why.
struct LeftOutImage {
  int64_t image_key = 0;
  std::string image_id;  // empty where it is to be recorded
  std::string reason;
};

struct Cycle {
  int64_t key = 0;
  int64_t pool_key = 0;
  std::string cycle_id;
  CycleState state = CycleState::kQueued;
  CycleStage stage = CycleStage::kTrain;
  std::vector<StageProgress> stages;
  absl::Time create_time;
  std::optional<absl::Time> end_time;
  std::optional<absl::Time> eta;
  int64_t training_images = 0, validation_images = 0;
  double map50 = 0, map = 0;
  std::optional<int64_t> model_version;
  std::string error;
  double predicted_gain = 0, predicted_gain_se = 0;
  std::optional<double> realized_gain;
  std::optional<TableReport> table;
  bool without_table = false;
  std::vector<LeftOutImage> left_out;  // the first of them, by key
  int64_t left_out_count = 0;          // all of them
  int64_t revision = 0;                // grows with every change: what WatchCycle waits for
};

}  // namespace mgral::domain
