#include "client/cpp/simulate/true_counts.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Images with so many objects of two classes; negative: to be ignored.
Dataset MakeDataset(const std::vector<std::pair<int, int>>& counts) {
  Dataset dataset;
  dataset.classes = {"cat", "dog"};
  for (const auto& [cats, dogs] : counts) {
    DatasetImage& image = dataset.images.emplace_back();
    const int objects[] = {cats, dogs};
    for (int c = 0; c < 2; ++c) {
      for (int i = 0; i < std::abs(objects[c]); ++i) {
        DatasetBox& box = image.boxes.emplace_back();
        box.class_index = c;
        box.ignore = objects[c] < 0;
      }
    }
  }
  return dataset;
}

v1::Accuracy MakeAccuracy(const std::vector<double>& ap) {
  v1::Accuracy accuracy;
  for (const double value : ap) accuracy.add_classes()->set_ap50(value);
  return accuracy;
}

TEST(PickByTrueCounts, NothingToPickIsNothing) {
  const Dataset dataset = MakeDataset({{1, 0}, {0, 1}});
  EXPECT_THAT(PickByTrueCounts(dataset, {}, {}, MakeAccuracy({0.5, 0.5}), 3), IsEmpty());
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1}, {1, 0}, MakeAccuracy({0.5, 0.5}), 3), IsEmpty());
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1}, {}, MakeAccuracy({0.5, 0.5}), 0), IsEmpty());
}

TEST(PickByTrueCounts, UnknownAccuraciesCountAlike) {
  const Dataset dataset = MakeDataset({{1, 0}, {0, 2}, {0, -9}});
  for (const v1::Accuracy& unknown :
       {MakeAccuracy({}), MakeAccuracy({0, 0.05}), MakeAccuracy({std::nan(""), 0})}) {
    EXPECT_THAT(PickByTrueCounts(dataset, {0, 1, 2}, {}, unknown, 9), ElementsAre(1, 0, 2));
  }
}

TEST(PickByTrueCounts, RareClassesAndThoseThatCanGainComeFirst) {
  // log(3) of the dogs, log(2) of the cats, then what is left of each.
  const Dataset dataset = MakeDataset({{1, 0}, {0, 2}, {0, 2}, {3, 0}});
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1, 2}, {}, MakeAccuracy({0.5, 0.5}), 3),
              ElementsAre(1, 0, 2));
  // Three cats are labeled: another is worth log(5 / 4) only.
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1, 2, 3}, {3}, MakeAccuracy({0.5, 0.5}), 2),
              ElementsAre(1, 2));
  // The dogs are nearly perfect: 0.22 log(3) < 0.5 log(2).
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1}, {}, MakeAccuracy({0.5, 0.99}), 2),
              ElementsAre(0, 1));
}

TEST(PickByTrueCounts, WhatLabelingCostsCounts) {
  // Twenty cats are worth log(21), five log(6), at a third of the cost: more over its root, but
  // less of the price that the twenty would have.
  const Dataset dataset = MakeDataset({{20, 0}, {5, 0}, {0, 0}});
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1, 2}, {}, MakeAccuracy({0.5, 0.5}), 1, {0, 0}),
              ElementsAre(0));
  EXPECT_THAT(PickByTrueCounts(dataset, {0, 1, 2}, {}, MakeAccuracy({0.5, 0.5}), 1, {2, 1}),
              ElementsAre(1));
  EXPECT_THAT(PickByTrueCounts(dataset, {2}, {}, MakeAccuracy({0.5, 0.5}), 1, {2, 1}),
              ElementsAre(2));
}

}  // namespace
}  // namespace mgral::client
