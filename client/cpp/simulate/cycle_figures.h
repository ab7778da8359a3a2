#pragma once

#include <string>

#include "client/cpp/report/results.h"
#include "mgral/v1/cycle_service.pb.h"
#include "mgral/v1/selection_service.pb.h"

// What results.json and the progress bar say of a cycle and its batch.
namespace mgral::client {

// "training 40 %"
std::string DescribeStage(const v1::Cycle& cycle);

// Of all stages.
double SecondsOf(const v1::Cycle& cycle);

void AddStageSeconds(const v1::Cycle& cycle, StageSeconds* seconds);

// The figures of a cycle's look-up table, with which the run picks its next batch.
LookupRow TableRow(const v1::Cycle& cycle, const StrategyRun& run);

// Why the image is in its batch.
Pick PickOf(const v1::BatchImage& image);

}  // namespace mgral::client
