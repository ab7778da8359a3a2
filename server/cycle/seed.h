#pragma once

#include <cstdint>

#include "server/cycle/records.h"

namespace mgral::cycle {

// The stages that draw at random.
enum class SeedPurpose : uint64_t { kTrain = 1, kPlan = 2, kSelector = 3, kUniform = 4 };

// Derives one seed per `purpose` from another: the same for the same arguments, whoever does the
// work. Non-negative as a signed number.
uint64_t MixSeed(uint64_t seed, uint64_t purpose);
// The seed of a stage of this cycle.
uint64_t StageSeed(const CycleInputs& inputs, SeedPurpose purpose);

}  // namespace mgral::cycle
