#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// What a batch is to a class, in numbers that grow with its images, ever slower: the gain is linear
// in them (equations 11 to 13 of docs/method.md). To add one: its value in BatchFeatures, its
// change in BatchState, its sum in GainEvaluator and GainsAlone, its prior weight in
// prior_values.inc.
enum Feature : int {
  kGrowth = 0,  // log growth of the class's labeled objects by those that the detector misses
  kCoverage,    // how much nearer labels come to where the class is
  kNumFeatures,
};
inline constexpr std::array<const char*, kNumFeatures> kFeatureNames = {"growth", "coverage"};

// How near each image comes to the centroid of each cell [images, K], in [0, 1]: a Gaussian of its
// distance, as wide as images are usually apart. `embeddings`: [images, cells.dim]. 1 in all cells
// of a pool without spread.
std::vector<float> ReachOf(const Cells& cells, const std::vector<float>& embeddings,
                           int64_t images);

// What a set of images holds. Plain data.
struct SetContent {
  std::vector<double> objects;  // [C] labeled, or missed by the detector
  std::vector<float> covered;   // [K] the largest reach of an image; 0 for an empty set
};

// Objects of each class [C] in the images `which` among those of `objects` [m, C]. Throws
// std::invalid_argument for wrong sizes and an image that is not there.
std::vector<double> CountObjects(const std::vector<float>& objects,
                                 const std::vector<int64_t>& which, int64_t classes);

// Of the images `which` among those of `objects` [m, C] and `reach` [m, K]. Throws as CountObjects.
SetContent ContentOf(const std::vector<float>& objects, const std::vector<float>& reach,
                     const std::vector<int64_t>& which, int64_t cells, int64_t classes);

// Adds the objects [m, C] of images in `cell` [m] to `in_cell` [K, C]. Throws std::invalid_argument
// for a cell that is out of range.
void AddToCells(const std::vector<float>& objects, const std::vector<int32_t>& cell,
                int64_t classes, std::vector<double>* in_cell);

// Share of each class that lies in each cell, omega [K, C]: columns sum to 1, or to 0 for a class
// without objects.
std::vector<double> CellShares(std::vector<double> in_cell, int64_t classes);

// The features [C, F] of a batch beside what is labeled.
std::vector<double> BatchFeatures(const SetContent& labeled, const SetContent& batch,
                                  const std::vector<double>& cell_share);

}  // namespace mgral::core
