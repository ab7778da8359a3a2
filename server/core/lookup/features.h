#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// What the table knows of class c in image i. All but kResponse are >= 0; they are divided by a
// scale, never centered, so that an image without any signal has no expected gain.
enum Feature : int {
  kExpectedObjects = 0,  // expected number of objects of class c
  kUncertainty,          // uncertainty about class c
  kDisagreement,         // disagreement between the image and its mirror image
  kRareUncertainty,      // uncertainty x rarity of class c among the labels
  kResponse,             // semi-supervised response of the image's cell (see observation.h)
  kNumFeatures,
};
// Features that differ between the images of a cell; kResponse does not.
inline constexpr int kNumImageFeatures = kResponse;

// One embedding pass over a set of images.
struct ImageSignals {
  int64_t images = 0;                   // N
  int64_t classes = 0;                  // C
  int64_t dim = 0;                      // d
  std::vector<float> embeddings;        // [N, d]
  std::vector<float> expected_objects;  // [N, C], >= 0
  std::vector<float> uncertainty;       // [N, C], >= 0
  // [N, C], or [N]: then shared out over the classes by their expected objects. Empty: zero.
  std::vector<float> disagreement;
};

// Raw (unscaled) image features [N, C, kNumImageFeatures].
struct ImageFeatures {
  int64_t images = 0;
  int64_t classes = 0;
  std::vector<float> values;

  const float* At(int64_t image, int64_t c) const {
    return &values[(image * classes + c) * kNumImageFeatures];
  }
};

// Rarity of each class by equation 16 of docs/method.md, in [1/4, 4]: a class never labeled is the
// rarest. [C]
std::vector<double> ClassRarity(const std::vector<double>& labeled_objects);

// Throws std::invalid_argument naming the field for a wrong size or a value that is not finite
// (or negative where it may not be).
void CheckSignals(const ImageSignals& signals);

// `labeled_objects` [C]: objects of each class in the labeled set. Throws as CheckSignals.
ImageFeatures ComputeFeatures(const ImageSignals& signals,
                              const std::vector<double>& labeled_objects);
// The same with the rarity of each class given [C].
ImageFeatures ComputeFeaturesWithRarity(const ImageSignals& signals,
                                        const std::vector<double>& rarity);

}  // namespace mgral::core
