#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/runtime/feature_folder.h"
#include "server/runtime/image_cache.h"
#include "server/runtime/pretrained_trunk.h"

namespace mgral::runtime {

// What the work on the device uses of the runtime.
struct Workplace {
  c10::Device device;
  ImageCache* images;
  FeatureFolder* features;
  const PretrainedTrunk* trunk;

  // Null for a detector whose trunk is trained: its features change.
  std::unique_ptr<core::FeatureCache> FeaturesOf(const core::Detector& detector,
                                                 FeatureFolder::Room room) const {
    if (!detector.config().frozen_trunk) return nullptr;
    return features->Of(detector, room);
  }
};

}  // namespace mgral::runtime
