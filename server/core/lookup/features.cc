#include "server/core/lookup/features.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mgral::core {
namespace {

void CheckArray(const std::vector<float>& values, int64_t wanted, bool signed_values,
                const char* name) {
  if (static_cast<int64_t>(values.size()) != wanted) {
    throw std::invalid_argument(std::string(name) + ": has " + std::to_string(values.size()) +
                                " values, wants " + std::to_string(wanted));
  }
  for (float value : values) {
    if (!std::isfinite(value)) {
      throw std::invalid_argument(std::string(name) + ": holds a value that is not finite");
    }
    if (!signed_values && value < 0) {
      throw std::invalid_argument(std::string(name) + ": holds a negative value");
    }
  }
}

}  // namespace

std::vector<double> ClassRarity(const std::vector<double>& labeled_objects) {
  double mean = 0;
  for (double count : labeled_objects) {
    if (!std::isfinite(count) || count < 0) {
      throw std::invalid_argument("labeled_objects: holds a value that is negative or not finite");
    }
    mean += count / static_cast<double>(labeled_objects.size());
  }
  std::vector<double> rarity;
  for (double count : labeled_objects) {
    rarity.push_back(std::clamp(std::sqrt((mean + 1) / (count + 1)), 0.25, 4.0));
  }
  return rarity;
}

void CheckSignals(const ImageSignals& signals) {
  if (signals.images < 0) throw std::invalid_argument("images: must not be negative");
  if (signals.classes <= 0) throw std::invalid_argument("classes: must be positive");
  if (signals.dim < 0) throw std::invalid_argument("dim: must not be negative");
  const int64_t n = signals.images, c = signals.classes;
  CheckArray(signals.embeddings, n * signals.dim, true, "embeddings");
  CheckArray(signals.expected_objects, n * c, false, "expected_objects");
  CheckArray(signals.uncertainty, n * c, false, "uncertainty");
  if (!signals.disagreement.empty()) {
    const bool shared = static_cast<int64_t>(signals.disagreement.size()) == n;
    CheckArray(signals.disagreement, shared ? n : n * c, false, "disagreement");
  }
}

ImageFeatures ComputeFeatures(const ImageSignals& signals,
                              const std::vector<double>& labeled_objects) {
  if (static_cast<int64_t>(labeled_objects.size()) != signals.classes) {
    throw std::invalid_argument("labeled_objects: wants one value per class");
  }
  return ComputeFeaturesWithRarity(signals, ClassRarity(labeled_objects));
}

ImageFeatures ComputeFeaturesWithRarity(const ImageSignals& signals,
                                        const std::vector<double>& rarity) {
  CheckSignals(signals);
  const int64_t n = signals.images, classes = signals.classes;
  if (static_cast<int64_t>(rarity.size()) != classes) {
    throw std::invalid_argument("rarity: wants one value per class");
  }
  const bool shared = static_cast<int64_t>(signals.disagreement.size()) == n && classes > 1;
  ImageFeatures out;
  out.images = n;
  out.classes = classes;
  out.values.resize(n * classes * kNumImageFeatures);
  for (int64_t i = 0; i < n; ++i) {
    // An image without a confident object spreads its disagreement evenly.
    double objects = 0;
    for (int64_t c = 0; c < classes; ++c) {
      objects += signals.expected_objects[i * classes + c] + 0.01;
    }
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t at = i * classes + c;
      float disagreement = 0;
      if (shared) {
        disagreement = static_cast<float>(signals.disagreement[i] *
                                          (signals.expected_objects[at] + 0.01) / objects);
      } else if (!signals.disagreement.empty()) {
        disagreement = signals.disagreement[at];
      }
      float* values = &out.values[at * kNumImageFeatures];
      values[kExpectedObjects] = signals.expected_objects[at];
      values[kUncertainty] = signals.uncertainty[at];
      values[kDisagreement] = disagreement;
      values[kRareUncertainty] = static_cast<float>(signals.uncertainty[at] * rarity[c]);
    }
  }
  return out;
}

}  // namespace mgral::core
