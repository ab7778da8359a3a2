#include "server/runtime/pretrained_trunk.h"

#include <stdexcept>

#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/network.h"
#include "server/core/weights/read_tensors.h"
#include "server/core/weights/weights_file.h"

namespace mgral::runtime {
PretrainedTrunk::PretrainedTrunk(const std::string& path) {
  const core::NamedTensors state = core::ReadTensors(path, {});
  try {
    tensors_ = core::FoldedEfficientNetLite(state);
    core::DetectorConfig config;
    config.trunk = core::Trunk::kEfficientNetLite0;
    core::Detector detector(config, 0);
    PutInto(&detector);
  } catch (const std::exception& e) {
    throw std::runtime_error(core::FileName(path) +
                             " is not a state dict of EfficientNet-Lite0: " + e.what());
  }
}

void PretrainedTrunk::PutInto(core::Detector* detector) const {
  if (!exists()) {
    throw std::runtime_error("this server was started without pretrained weights (trunk_weights)");
  }
  detector->net().SetTrunk(tensors_);
}

}  // namespace mgral::runtime
