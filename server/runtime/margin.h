#pragma once

#include <vector>

#include "server/domain/model_runtime.h"

namespace mgral::runtime {

// How sure the detector is of the class of what it found in each image, in [0, 1]; small is unsure.
// Of an object: its score minus that of the best other class at the same place (IoU >= 0.5), or,
// alone there, |2 score - 1|, its distance to background. Of an image: the mean over its objects; 1
// when nothing was found.
std::vector<float> ImageMargins(const std::vector<domain::ImageSignals>& images);

}  // namespace mgral::runtime
