#pragma once

#include <array>

#include "server/core/lookup/features.h"

// Everything that a release believes of gains before it has seen any truth, in one place. A table
// without evidence is exactly this: uncertainty x class rarity x diversity (the diversity is in
// the saturation within a cell). To be refitted over simulated pools.
namespace mgral::core::prior {

// Weights of the scaled features (mean 1 over candidates and classes): they sum to 1, so that the
// average first image of a cell is worth one unit. The semi-supervised response starts at 0: its
// sign is learned, because by itself it does not predict the gain from labels.
inline constexpr std::array<double, kNumFeatures> kWeight = {0.25, 0.15, 0.10, 0.50, 0.0};
// Standard deviation of each weight that all classes share, and of each class around it.
inline constexpr std::array<double, kNumFeatures> kSharedSd = {0.30, 0.30, 0.20, 0.30, 0.25};
inline constexpr std::array<double, kNumFeatures> kClassSd = {0.12, 0.12, 0.08, 0.12, 0.10};
// All weights may be larger or smaller together.
inline constexpr double kScaleSd = 0.5;

// One unit is the gain of AP_c from the average first image (equation 15).
// (0.0014 for cards at 60 labels and AP 0.75; 20 images gained 0.033 there.)
inline constexpr double kUnit = 0.33;
inline constexpr double kFewestLabels = 20;
inline constexpr double kLeastHead = 0.02;  // 1 - AP_c is never taken to be smaller

// Share of the within-cell differences of the features that is believed.
inline constexpr double kWithinCell = 0.5;

// rho by equation 12 for a cell of tightness t: copies saturate at once, a cell
// half as wide as the pool after about twelve images.
inline constexpr double kMostRho = 0.97;
inline constexpr double kTight = 0.12;

// Deviation of cells from what their features say: amplitude of the Gaussian process in units, its
// length scale as a share of the median distance of centroids, and the share that is each cell's
// own.
inline constexpr std::array<double, 5> kAmplitudes = {0.25, 0.5, 1, 2, 4};
inline constexpr double kAmplitude = 0.5;
inline constexpr double kLengthShare = 0.5;
inline constexpr double kNugget = 0.1;

// Multiples of the unit and of the observations' variance that the evidence may choose from, with
// log-normal priors around 1.
inline constexpr std::array<double, 6> kLevels = {0.125, 0.25, 0.5, 1, 2, 4};
inline constexpr double kLevelLogSd = 1.0;
inline constexpr std::array<double, 6> kNoises = {0.1, 0.3, 1, 3, 10, 30};
inline constexpr double kNoiseLogSd = 1.0;
inline constexpr double kAmplitudeLogSd = 1.0;
// Variance of one measured change of AP when nothing is known of it.
inline constexpr double kUnknownVariance = 0.03 * 0.03;
// With fewer truth observations the grid is not searched.
inline constexpr int kFewestObservations = 4;

// Standard deviation of the intercept, as a share of the mean prior gain of the observed batches.
inline constexpr double kReplayIntercept = 0.5;
inline constexpr double kRealizedIntercept = 1.0;

// Pairs of cells: standard deviation of J in units, and how many may enter.
inline constexpr std::array<double, 2> kPairSds = {5, 20};
inline constexpr int kMostPairs = 8;
inline constexpr int kMostPairCandidates = 300;

}  // namespace mgral::core::prior
