// The figures of fidelity.json. Plain functions: deterministic and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/cpp/fidelity/agreement.h"
#include "client/cpp/fidelity/fidelity_results.h"

namespace mgral::client {

// With fewer, a correlation's interval is wider than what it could show.
inline constexpr int kFewestBatches = 16;
// With fewer, a figure is for development alone.
inline constexpr int kPublishedBatches = 60;

// The batches whose gain was measured with every one of `seeds`, and what was measured.
struct MeasuredTruth {
  std::vector<int64_t> seeds;
  std::vector<int> batches;  // positions in FidelityResults::batches
  TruthSample sample;        // in their order
};
// Of a profile (empty: the table's): with all the seeds that every batch is measured with, or with
// the first seed alone while it goes on.
MeasuredTruth TruthOf(const FidelityResults& results, const std::string& profile = "");

// Rank correlations of something known beforehand with the real gain.
struct Predictor {
  std::string name;
  Figure rank, given_size, within_terciles;
};

struct ClassFigures {
  std::string name;
  int64_t batches = 0;  // none without objects in the test images
  Number sigma_gain, rank;
};

// The truth with another profile.
struct OtherProfile {
  std::string profile;
  int64_t batches = 0, seeds = 0;
  Number mean_gain, sigma_gain;
  Figure rank;  // of the gains with the two profiles
};

// What is missing was not measurable.
struct FidelitySummary {
  int64_t batches = 0, seeds = 0;
  Number mean_gain, sigma_gain;  // mean and standard deviation over batches
  Number noise;                  // standard deviation of that part of the gain that is luck
  Number sigma_true;             // of the rest
  Figure test_retest, ceiling;
  std::vector<Predictor> predictors;  // the estimate, images, boxes
  Figure disattenuated;               // the estimate's rank correlation, divided by the ceiling
  std::vector<Choice> choices;        // by tercile of size
  std::optional<Choice> choice;       // their mean
  std::optional<Choice> choice_of_all;
  Figure slope_through_origin, slope, intercept;
  Number coverage, coverage_with_noise;
  std::vector<ClassFigures> classes;
  std::optional<OtherProfile> other;
};

FidelitySummary Summarize(const FidelityResults& results);

// Missing figures are "not measurable".
nlohmann::ordered_json SummaryToJson(const FidelitySummary& summary);

// In words, which measurements test_retest is of.
std::string DescribeTestRetest(const FidelitySummary& summary);

}  // namespace mgral::client
