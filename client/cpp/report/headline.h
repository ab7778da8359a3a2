// The finding of a simulation in plain words, as honest as the numbers allow.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

struct Headline {
  std::string finding;  // one sentence
  std::string support;  // what it rests on: areas, seeds, intervals, labels
};

// Of mgral if it took part, otherwise of the strategy with the largest area, other than controls
// that SeesLabels, against random.
Headline MakeHeadline(const Results& results);

// The strategy that the headline speaks of; empty when there is none.
std::string FocusStrategy(const Results& results);

const StrategySummary* FindSummary(const Results& results, const std::string& strategy);

// What a reader has to know before relying on the numbers.
std::vector<std::string> Caveats(const Results& results);

}  // namespace mgral::client
