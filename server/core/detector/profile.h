#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/probe_runner.h"

namespace mgral::core {

// A detector with the recipe that was measured for it.
struct DetectorProfile {
  std::string name;
  DetectorConfig detector;
  TrainConfig train;  // of 100 labelled images; see StepsFor
  PredictConfig predict;
  ProbeConfig probe;

  // Training steps for that many labelled images: grows with the root of their number, so that a
  // cycle's time grows mildly. At least 1.
  int64_t StepsFor(int64_t labeled_images) const;
};

// micro, tiny (two CPU cores), small, base, large (a GPU). Throws std::invalid_argument for
// another name.
DetectorProfile MakeProfile(const std::string& name, int num_classes);
DetectorProfile MicroProfile(int num_classes);
DetectorProfile TinyProfile(int num_classes);
std::vector<std::string> ProfileNames();

}  // namespace mgral::core
