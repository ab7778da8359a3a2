#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace mgral::core {

// What a batch is to a class, in numbers that grow with its objects, ever slower: the gain is
// linear in them (equations 11 to 13 of docs/method.md). To add one: its value in BatchFeatures,
// its change in BatchState, its sum in GainEvaluator and GainsAlone, its prior weight in
// prior_values.inc.
enum Feature : int {
  kGrowth = 0,  // log growth of the class's labeled objects
  kLocal,       // the same within cells, averaged over where the class is
  kNumFeatures,
};
inline constexpr std::array<const char*, kNumFeatures> kFeatureNames = {"growth", "local"};

// Objects of a cell that are taken to be known before any is labeled there.
inline constexpr double kCellOffset = 0.5;

// Objects of each class in a set of images, labeled or expected. Plain data.
struct ObjectCounts {
  std::vector<double> total;    // [C]
  std::vector<double> in_cell;  // [K, C]
};

// Of the images `which` among those of `objects` [m, C] that lie in `cell` [m]. Throws
// std::invalid_argument for an image or a cell that is out of range.
ObjectCounts CountObjects(const std::vector<float>& objects, const std::vector<int32_t>& cell,
                          const std::vector<int64_t>& which, int64_t cells, int64_t classes);

// Share of each class that lies in each cell, omega [K, C]: columns sum to 1, or to 0 for a class
// without objects.
std::vector<double> CellShares(const ObjectCounts& all);

// The features [C, F] of a batch of `batch` objects beside `labeled` ones.
std::vector<double> BatchFeatures(const ObjectCounts& labeled, const ObjectCounts& batch,
                                  const std::vector<double>& cell_share);

}  // namespace mgral::core
