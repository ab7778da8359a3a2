#pragma once

#include <cstdint>

#include "server/core/detector/profile.h"
#include "server/domain/model_runtime.h"

namespace mgral::runtime {

// The profile with the pool's overrides, made for that many labelled images. Throws
// std::invalid_argument for an unknown profile or an impossible override.
core::DetectorProfile MakeRecipe(const domain::DetectorSettings& settings, int num_classes,
                                 int64_t labeled_images, uint64_t seed);

// How many probes a cycle of that profile takes by default: more where a device makes them cheap.
domain::ModelRuntime::ProfileInfo DefaultProbes(const core::DetectorProfile& profile);

}  // namespace mgral::runtime
