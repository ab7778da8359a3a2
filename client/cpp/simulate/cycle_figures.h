#pragma once

#include <string>

#include "client/cpp/report/results.h"
#include "mgral/v1/cycle_service.pb.h"

// What results.json and the progress bar say of a cycle.
namespace mgral::client {

// "training 40 %"
std::string DescribeStage(const v1::Cycle& cycle);

void AddStageSeconds(const v1::Cycle& cycle, StageSeconds* seconds);

// The figures of a cycle's look-up table, with which the run picks its next batch.
LookupRow TableRow(const v1::Cycle& cycle, const StrategyRun& run);

}  // namespace mgral::client
