#pragma once

#include <cstdint>
#include <vector>

namespace mgral::core {

// What is known of the images of a pool before and after the detector's sums of scores. Plain data.
struct ObjectEvidence {
  int64_t classes = 0;                    // C
  int64_t dim = 0;                        // d; 0: no embeddings
  std::vector<float> embeddings;          // [N, d] of the images to be estimated
  std::vector<float> detected;            // [N, C] sums of scores, >= 0
  std::vector<float> labeled_embeddings;  // [m, d]
  std::vector<float> labeled_detected;    // [m, C], >= 0
  std::vector<float> labeled_objects;     // [m, C] true objects, >= 0
};

// Expected objects [N, C] of each image (equations 4a and 4b of docs/method.md): half of what the
// detector saw, its scores brought to the scale of the labels, and half of what images that look
// like this one hold. A detector of few labels hallucinates twice as many objects as there are, and
// which images hold none of a class is seen sooner by the image as a whole. Without labeled images
// `detected` is returned. Throws std::invalid_argument naming the field that has a wrong size.
std::vector<float> ExpectObjects(const ObjectEvidence& evidence);

}  // namespace mgral::core
