// What the strategies did over all their runs. Plain functions: deterministic and thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// In the order of the protocol's strategies, then of their first run.
std::vector<std::string> StrategyNames(const Results& results);

// What the protocol says of variants: by label, "mgral:replay_probes=8".
std::map<std::string, std::string> VariantSpecs(const Results& results);
// That of one label; the label itself where it is no variant's.
std::string SpecOf(const Results& results, const std::string& label);
// The strategy behind a label.
std::string StrategyOf(const Results& results, const std::string& label);

// The complete runs of a strategy; all of its runs if none is complete.
std::vector<const StrategyRun*> RunsOf(const Results& results, const std::string& strategy);

// Fills the summary and the comparisons from the complete runs; a strategy without any is listed
// without numbers.
void Summarize(Results* results);

// The figures of a strategy's tables, missing ones left out.
struct LookupMeans {
  int64_t tables = 0;
  std::vector<double> fidelity, test_retest, selector, greedy, probe, lookup;
};

LookupMeans MeanOfTables(const Results& results, const std::string& strategy);

}  // namespace mgral::client
