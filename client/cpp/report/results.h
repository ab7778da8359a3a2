// What `mgral simulate` measured: the content of results.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mgral::client {

using Number = std::optional<double>;  // missing numbers are null in the file

struct Interval {
  double low = 0;
  double high = 0;
};

// What a learning curve is drawn over: labeled training images, the true boxes in them, or what
// labeling them costs (LabelingRates).
enum class Axis { kImages, kBoxes, kCost };
inline constexpr Axis kAxes[] = {Axis::kImages, Axis::kBoxes, Axis::kCost};
const char* NameOf(Axis axis);  // as in results.json: "images", "boxes", "cost"

// Strategies of `mgral simulate` alone, controls that see the labels of what they pick.
inline constexpr char kTrueCounts[] = "true_counts";
inline constexpr char kBestOf[] = "best_of";
bool SeesLabels(const std::string& strategy);

// Why an image was in a batch, as the service said.
struct Pick {
  std::string image_id;
  int cell = -1;  // -1 without a table
  std::string reason;
  std::string gain_class;  // the class that is expected to gain most; may be empty
  Number gain;             // of that class's AP
};

// A detector trained on `labels` images, measured on the test images.
struct CurvePoint {
  int64_t labels = 0;
  Number boxes, cost;              // of the labeled training images; missing in older files
  Number map50;                    // VOC AP@.5, all-points area, mean over classes, in [0, 1]
  Number map;                      // COCO AP@[.5:.95]
  std::vector<Number> class_ap50;  // in the order of Results::classes
  Number validation_map50;         // measured by the service on its validation images
  // Of the batch that led here; missing at the first point.
  Number estimated_gain, estimated_gain_se;
  Number realized_gain;  // change of the validation mAP, measured by the service
  Number test_gain;      // change of map50
  std::string strategy_used, strategy_note;
  std::vector<std::string> batch;
  std::vector<Pick> picks;
  Number seconds;  // of the cycle that trained this detector and ranked the images by it
};

// Seconds of all cycles of a run.
struct StageSeconds {
  Number train, embed, probe, table, selector, query;
};

struct StrategyRun {
  std::string strategy;
  int64_t seed = 0;
  bool complete = false;  // false: stopped in the middle
  std::string pool;
  std::string profile;  // the pool's, known once it is created
  std::vector<CurvePoint> points;
  StageSeconds seconds;
};

// What a strategy did over all its complete runs. Intervals are 95 % t-intervals over seeds,
// missing with fewer than two seeds.
struct StrategySummary {
  std::string strategy;
  int64_t seeds = 0;
  // Areas under map50, divided by the range (comparison.h says which).
  Number aulc;  // over images
  std::optional<Interval> aulc_ci95;
  Number aulc_boxes, aulc_cost;
  Number final_map50;
  std::optional<Interval> final_map50_ci95;
  Number final_map;
  Number final_labels, final_boxes, final_cost;
  // Against random, over the seeds that both have: the difference of aulc per seed.
  Number aulc_minus_random;
  std::optional<Interval> aulc_minus_random_ci95;
  // Where the mean curve first reaches random's final map50; missing if it never does.
  Number labels_to_match_random, cost_to_match_random;
  std::vector<Number> final_class_ap50;
};

// A feature's weight that all classes share, in a look-up table and in its prior.
struct WeightRow {
  std::string feature;
  double weight = 0;
  Number standard_deviation;
  std::vector<double> covariance;  // with the weight of every feature, in their order
  double prior_weight = 0, prior_standard_deviation = 0;
  Number random_gain;  // of a random batch, per unit of weight and kappa
};

// A look-up table as one cycle fitted it.
struct LookupRow {
  int64_t seed = 0;
  int64_t cycle = 0;  // from 1
  std::string strategy;
  int64_t probes = 0;
  int64_t replay_probes = 0;
  int64_t cells = 0;
  Number fidelity, response_fidelity, test_retest;
  Number seconds_per_probe, seconds_per_lookup;
  Number selector_gain, greedy_gain;
  std::vector<WeightRow> weights;  // empty in older files
  bool weights_fitted = false;     // false: the prior's
  Number kappa, kappa_standard_deviation, residual_share;
  Number level;  // what the prior of kappa was multiplied by
};

// Areas under the curves of two strategies, paired by seed, which is the initial set.
struct Comparison {
  Axis axis = Axis::kImages;
  std::string strategy, baseline;
  int64_t seeds = 0;            // that both have
  Number mean;                  // of the differences, strategy − baseline
  std::optional<Interval> t95;  // 95 % t-interval
  std::optional<Interval> bootstrap95;
  Number p;  // two-sided paired t-test
  // Holm's correction. Against random: over all strategies of this axis. Else: over all pairs.
  Number p_holm;
  std::optional<Interval> t_holm;  // t-interval that excludes 0 exactly where p_holm < 0.05
  bool significant = false;        // p_holm < 0.05
  bool tie = false;                // equivalent: the 90 % interval lies within ±1 point
};

struct WinMatrix {
  Axis axis = Axis::kImages;
  std::vector<std::string> strategies;
  // [row][column]: the share of their common seeds in which the row's area is the larger one;
  // missing on the diagonal and without common seeds.
  std::vector<std::vector<Number>> wins;
  // [row][column]: the row's mean area is larger, p < 0.05 after Holm's correction over all pairs.
  std::vector<std::vector<bool>> significant;
};

struct Results {
  std::string dataset;
  std::vector<std::string> classes;
  nlohmann::ordered_json protocol = nlohmann::ordered_json::object();
  std::vector<StrategyRun> runs;
  std::vector<StrategySummary> summary;
  std::vector<LookupRow> lookup;
  std::vector<Comparison> against_random;         // per axis and strategy
  std::vector<Comparison> against_best_baseline;  // other than random
  std::vector<WinMatrix> win_matrices;            // per axis
};

// null where missing or not finite.
nlohmann::ordered_json ToJson(const Number& number);
// [low, high]; null where missing.
nlohmann::ordered_json ToJson(const std::optional<Interval>& interval);

nlohmann::ordered_json ResultsToJson(const Results& results);

// Fields that are missing or null stay at their defaults; a field of the wrong type, or a document
// that holds no runs, is InvalidArgument and named.
absl::StatusOr<Results> ResultsFromJson(const nlohmann::ordered_json& document);

absl::StatusOr<Results> ReadResults(const std::string& file);
// Replaces the file in one step, so that an interrupted run leaves a whole one.
absl::Status WriteResults(const Results& results, const std::string& file);

}  // namespace mgral::client
