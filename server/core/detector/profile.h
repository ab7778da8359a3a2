#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/detector/config.h"

namespace mgral::core {

// A detector with the recipe that was measured for it.
struct DetectorProfile {
  std::string name;
  DetectorConfig detector;
  TrainConfig train;  // of 100 labeled images; see StepsFor
  PredictConfig predict;

  // Training steps for that many labeled images: grows with the root of their number, so that a
  // cycle's time grows mildly. At least 1.
  int64_t StepsFor(int64_t labeled_images) const;
};

// frozen, last-stage, micro, tiny (a few CPU cores), small, base, large, full, faster-rcnn, ssd300
// (a GPU). Throws std::invalid_argument for another name.
DetectorProfile MakeProfile(const std::string& name, int num_classes);
DetectorProfile MicroProfile(int num_classes);
DetectorProfile TinyProfile(int num_classes);
DetectorProfile FrozenProfile(int num_classes);
DetectorProfile LastStageProfile(int num_classes);
std::vector<std::string> ProfileNames();

// What a pool changes of its profile; 0: the profile's own.
struct ProfileOverrides {
  int64_t training_steps = 0;
  int input_size = 0;
  std::string trunk = "";  // another, by torchvision's name ("resnet101"); empty: the profile's own
};

// The profile made ready for one training on that many labeled images. Throws std::invalid_argument
// for an unknown profile, or, beginning with its name, for an override that the profile cannot
// have.
DetectorProfile MakeRecipe(const std::string& name, const ProfileOverrides& overrides,
                           int num_classes, int64_t labeled_images, uint64_t seed);

}  // namespace mgral::core
