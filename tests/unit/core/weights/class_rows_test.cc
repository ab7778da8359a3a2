#include "server/core/weights/class_rows.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/error_of.h"

namespace mgral::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::ErrorOf;

// A head of Faster R-CNN: rows of background, then of the classes.
NamedTensors HeadOf(int64_t classes) {
  return {{"cls_score.bias", at::arange(classes + 1, at::kFloat)},
          {"bbox_pred.bias", at::arange(4 * (classes + 1), at::kFloat)},
          {"conv.bias", at::zeros({7})}};
}

std::map<std::string, ClassRows> RowsOfHead() { return FindClassRows(HeadOf(2), 2, HeadOf(3)); }

TEST(ClassRowsTest, OneClassMoreShowsWhichTensorsHaveThem) {
  const auto rows = RowsOfHead();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows.at("cls_score.bias").per_class, 1);
  EXPECT_EQ(rows.at("bbox_pred.bias").per_class, 4);
  EXPECT_EQ(rows.at("cls_score.bias").background, 1);
  EXPECT_EQ(rows.at("bbox_pred.bias").background, 1);
}

TEST(ClassRowsTest, AsManyClassesAreTakenInOrder) {
  ClassChoice choice = ChooseClasses(RowsOfHead(), 2, {}, HeadOf(2));
  EXPECT_EQ(choice.file_classes, 2);
  EXPECT_THAT(choice.sources, ElementsAre(1, 2));
  EXPECT_TRUE(choice.complete());

  choice = ChooseClasses(RowsOfHead(), 2, {}, HeadOf(5));
  EXPECT_EQ(choice.file_classes, 5);
  EXPECT_THAT(choice.sources, IsEmpty());
  EXPECT_FALSE(choice.complete());
}

TEST(ClassRowsTest, TensorsThatDisagreeHaveNoClasses) {
  NamedTensors scores_of_three = HeadOf(2), odd = HeadOf(2), background_alone = HeadOf(0);
  scores_of_three["cls_score.bias"] = at::zeros({4});
  odd["bbox_pred.bias"] = at::zeros({13});
  const NamedTensors incomplete = {{"cls_score.bias", at::zeros({3})}};
  for (const NamedTensors& file : {scores_of_three, odd, background_alone, incomplete}) {
    EXPECT_EQ(ChooseClasses(RowsOfHead(), 2, {}, file).file_classes, 0);
    EXPECT_EQ(ErrorOf([&] {
                ChooseClasses(RowsOfHead(), 2, {1, 2}, file);
              }),
              "the file has no class head that fits the network's");
  }
}

TEST(ClassRowsTest, LabelsThatTheFileLacksAreRefused) {
  EXPECT_THAT(ChooseClasses(RowsOfHead(), 2, {5, -1}, HeadOf(5)).sources, ElementsAre(5, -1));
  for (const int64_t label : {0, 6}) {
    EXPECT_EQ(ErrorOf([&] {
                ChooseClasses(RowsOfHead(), 2, {1, label}, HeadOf(5));
              }),
              "the file's labels are 1 to 5, not " + std::to_string(label));
  }
}

}  // namespace
}  // namespace mgral::core
