#pragma once

#include <array>

#include "server/core/lookup/features.h"

// Everything that a release believes of gains before it has seen any truth, in one place: a table
// without evidence is exactly this.
namespace mgral::core::prior {

// kWeight and kSharedSd [F]: weights of the features (drop of the logarithm of a class's held-out
// loss) that all classes share, and their standard deviations over pools. kKappa: AP_c rises by
// kappa sqrt(AP_c (1 - AP_c)) where the log loss of class c drops by 1, and kappa is around kKappa
// times the pool's level (equation 19a of docs/method.md); kKappaSd, over pools.
// kRealizedNoise: standard deviation of a realized gain around that. kResidualShare: what the
// features cannot say of a batch, as a share of its gain.
#include "server/core/lookup/prior_values.inc"

// Standard deviation of a class's weights around the shared ones, as a share of kWeight.
inline constexpr std::array<double, 4> kClassSds = {0.1, 0.25, 0.5, 1};
inline constexpr double kClassSd = 0.25;
inline constexpr double kClassLogSd = 0.7;

inline constexpr double kLeastKappa = 0.05;

// A pool's level is kept between these, where those of the simulated pools were.
inline constexpr double kLeastLevel = 1.5;
inline constexpr double kMostLevel = 13;

// AP_c is kept between these: a class at 0, or unknown, is not beyond help, one at 1 not finished.
inline constexpr double kLeastAp = 0.05;
inline constexpr double kMostAp = 0.95;

// Variance of a probe's response for a class of many held-out objects, as a share of the variance
// of the responses within a base, and standard deviation of a base's own offset, as a share of
// their root mean square: what the evidence may choose from, log-normal around the centers. With h
// held-out objects the variance is larger by 1 + kFewHeld / h.
inline constexpr std::array<double, 8> kNoises = {0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2};
inline constexpr double kNoise = 0.5;
inline constexpr double kNoiseLogSd = 1;
inline constexpr std::array<double, 4> kOffsets = {0.03, 0.1, 0.3, 1};
inline constexpr double kOffset = 0.3;
inline constexpr double kOffsetLogSd = 1;
inline constexpr double kFewHeld = 4;

}  // namespace mgral::core::prior
