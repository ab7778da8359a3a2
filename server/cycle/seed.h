#pragma once

#include <cstdint>

#include "server/cycle/records.h"

namespace mgral::cycle {

// Where chance is used, for MixSeed.
enum class SeedPlace : uint64_t { kTrain = 1, kPlan = 2, kSelector = 3 };

// A number for every place where chance is used: the same for the same pool seed, number of the
// cycle and place, whoever does the work. Non-negative as a signed number.
uint64_t MixSeed(uint64_t seed, uint64_t place);
uint64_t StageSeed(const CycleInputs& inputs, SeedPlace place);

}  // namespace mgral::cycle
