// Strategies against each other, paired by seed. Plain functions: deterministic and thread-safe.
//
// Over images, an area is taken over the whole of a curve. Over boxes and cost, strategies get to
// different places with the same number of images, so a seed's areas are taken over the range that
// all of its curves share: from the common start to the smallest of the last values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// The endpoint that was fixed beforehand: area over cost. Over images in files without boxes.
Axis PrimaryAxis(const Results& results);

// Areas under map50 of the complete runs: by strategy, then seed.
using Areas = std::map<std::string, std::map<int64_t, double>>;
Areas AreasOf(const Results& results, Axis axis);

// Fills against_random, against_best_baseline and win_matrices. A baseline is a strategy without a
// look-up table, other than the controls that SeesLabels; the best one has the largest mean area
// over the seeds that it shares with the strategy.
void CompareStrategies(Results* results);

// Null where there is none.
const Comparison* FindComparison(const std::vector<Comparison>& comparisons, Axis axis,
                                 const std::string& strategy);

// "better", "worse", "a tie", "not settled" and the like. A significant difference that is
// equivalent, too, is said to be small.
std::string VerdictOf(const Comparison& comparison);

}  // namespace mgral::client
