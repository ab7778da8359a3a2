// How well an estimate agrees with a noisy truth. Plain functions: deterministic and thread-safe.
// Values are in pairs, by position.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "client/cpp/fidelity/fidelity_results.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

using Values = std::vector<double>;

// Of Spearman, without what both owe to `given`. Missing without spread, or where `given` says it
// all.
Number PartialRankCorrelation(const Values& a, const Values& b, const Values& given);

// Spearman within each group, averaged with the groups' sizes as weights; groups of fewer than
// three or without spread are left out, and missing is what has none left.
Number RankCorrelationWithin(const Values& a, const Values& b, const std::vector<int>& groups);

// 0, 1 or 2, by rank; equal values may be in different thirds.
std::vector<int> Terciles(const Values& values);

// The correlation that a perfect predictor reaches with the mean of `replicates` measurements that
// correlate at `test_retest` with each other: sqrt(k r / (1 + (k − 1) r)). Missing where r is not
// positive: then nothing is measured.
Number Ceiling(const Number& test_retest, int replicates);

struct Regression {
  Number through_origin;    // Σ xy / Σ x²
  Number slope, intercept;  // least squares
};
// Of y on x. Missing without spread.
Regression Regress(const Values& x, const Values& y);

// What is known of each batch, and the gains that were measured.
struct TruthSample {
  Values estimate, standard_error, images, boxes;
  // By seed, then part of the test, then batch.
  std::vector<std::array<Values, kTestParts>> gains;
  Values real;   // mean of the seeds' gains on all test images
  Values bases;  // mAP of each detector without a batch, whose mean the gains are over

  size_t size() const { return estimate.size(); }
};

// Of the gains on disjoint halves, with different training seeds: the mean Spearman of
// gains[s][first half] and gains[t][second half] over all s ≠ t. With one seed, of the same
// training: then it also repeats that training's luck.
Number TestRetest(const TruthSample& sample);

// Variances of `real`.
struct TruthNoise {
  // What differs between batches: the luck of their trainings, and the choice of the test images,
  // by analysis of variance over seeds and halves. With one seed, the test images' part alone.
  double of_batch = 0;
  // What all batches share: the luck of the base's trainings. 0 with one base: then it is unknown.
  double of_base = 0;
};
// Missing with fewer than two batches.
std::optional<TruthNoise> EstimateNoise(const TruthSample& sample);

// The share of the batches whose real gain lies within estimate ± 1.96 sqrt(standard_error² +
// noise).
Number CoverageOf95(const TruthSample& sample, double noise);

// Real gains of a table's best batch, of all, and of the batch that turned out best.
struct Choice {
  double chosen = 0, mean = 0, best = 0;
};
// At least one.
Choice ChoiceOf(const Values& estimate, const Values& real);
// In each tercile of size.
std::array<Choice, 3> ChoicesBySize(const TruthSample& sample);

// A figure of the sample with its 95 % percentile bootstrap interval: 2,000 draws of the batches,
// always the same ones. With `all_luck`, each draw also draws the base's trainings and two halves
// of the test, perhaps twice the same: `real` is the mean of their gains. The interval is missing
// where a tenth of the draws has no figure.
struct Figure {
  Number value;
  std::optional<Interval> ci95;
};
Figure Bootstrap(const TruthSample& sample, bool all_luck,
                 const std::function<Number(const TruthSample&)>& statistic);

}  // namespace mgral::client
