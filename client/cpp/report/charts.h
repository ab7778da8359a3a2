// Inline SVG. Each returns a complete <figure>-ready <svg>, or "" when there is nothing to draw.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// "labeled images"; of the cost, with the protocol's rates.
std::string AxisTitle(const Results& results, Axis axis);

// Mean test mAP@.5 per strategy, thin lines for the seeds, a band for the 95 %
// t-interval with three seeds or more and for smallest to largest with two.
std::string LearningCurveChart(const Results& results, Axis axis);

// Estimated against realized gain of every batch that had an estimate, with standard errors.
std::string GainChart(const Results& results);

struct GainPair {
  std::string strategy;
  double estimated = 0;
  double standard_error = 0;
  double realized = 0;  // on the service's validation images
  Number test;          // on the test images
};
std::vector<GainPair> GainPairs(const Results& results);

}  // namespace mgral::client
