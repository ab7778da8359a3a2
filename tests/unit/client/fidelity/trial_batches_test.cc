#include "client/cpp/fidelity/trial_batches.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

// 100 images: i % 10 boxes each, of class 0; every tenth from the fifth on has one of class 1
// instead, and every 20th from the seventh on one of class 2.
Dataset Made() {
  Dataset dataset;
  dataset.classes = {"cat", "dog", "owl"};
  for (int i = 0; i < 100; ++i) {
    DatasetImage& image = dataset.images.emplace_back();
    image.file_name = std::to_string(1000 + (i * 37) % 100);
    image.image_id = "image" + std::to_string(i);
    image.boxes.resize(static_cast<size_t>(i % 10));
    if (i % 10 == 5) image.boxes = {{0, 0, 1, 1, 1, false, 0}};
    if (i % 20 == 7) image.boxes = {{0, 0, 1, 1, 2, false, 0}};
  }
  return dataset;
}

class ComposeTest : public testing::Test {
 protected:
  void SetUp() override {
    labeled_.resize(20);
    std::iota(labeled_.begin(), labeled_.end(), 0);
    unlabeled_.resize(80);
    std::iota(unlabeled_.begin(), unlabeled_.end(), 20);
  }
  ComposedBatch Draw(BatchKind kind, int size, int number = 0, int attempt = 0) {
    const ComposedBatch batch =
        Compose(dataset_, labeled_, unlabeled_, {kind, size, number}, 3, attempt);
    EXPECT_EQ(batch.images.size(), static_cast<size_t>(size));
    EXPECT_EQ(std::set<int>(batch.images.begin(), batch.images.end()).size(), batch.images.size());
    for (int position : batch.images) EXPECT_GE(position, 20);
    return batch;
  }
  size_t Boxes(const ComposedBatch& batch) {
    size_t boxes = 0;
    for (int position : batch.images) boxes += dataset_.images[position].boxes.size();
    return boxes;
  }
  size_t ImagesWith(const ComposedBatch& batch, int class_index) {
    return static_cast<size_t>(
        std::count_if(batch.images.begin(), batch.images.end(), [&](int position) {
          const auto& boxes = dataset_.images[position].boxes;
          return !boxes.empty() && boxes[0].class_index == class_index;
        }));
  }

  Dataset dataset_ = Made();
  std::vector<int> labeled_, unlabeled_;
};

TEST_F(ComposeTest, KindsAreWhatTheyAreCalled) {
  const size_t random = Boxes(Draw(BatchKind::kRandom, 10));
  EXPECT_GT(Boxes(Draw(BatchKind::kCrowded, 10)), random);
  EXPECT_GE(Boxes(Draw(BatchKind::kCrowded, 10)), 60u);  // of the best 27, with 6 to 9 boxes
  EXPECT_LE(Boxes(Draw(BatchKind::kEmpty, 10)), 10u);    // of the last 16, with none or one
  EXPECT_GT(ImagesWith(Draw(BatchKind::kRare, 4), 2), 2u);
  for (int number = 0; number < 3; ++number) {
    const ComposedBatch batch = Draw(BatchKind::kOneClass, 4, number);
    EXPECT_EQ(batch.of, dataset_.classes[static_cast<size_t>(number)]);
    EXPECT_EQ(ImagesWith(batch, number), 4u);
  }
}

TEST_F(ComposeTest, OthersFillUpWhatIsMissing) {
  const ComposedBatch batch = Draw(BatchKind::kOneClass, 30, 2);  // four images have it
  EXPECT_EQ(ImagesWith(batch, 2), 4u);
  Draw(BatchKind::kRare, 80);
  Draw(BatchKind::kEmpty, 80);
}

TEST_F(ComposeTest, AlikeAreNeighborsByName) {
  std::vector<std::string> names, all;
  for (int position : Draw(BatchKind::kAlike, 10).images)
    names.push_back(dataset_.images[position].file_name);
  for (int position : unlabeled_) all.push_back(dataset_.images[position].file_name);
  std::sort(all.begin(), all.end());
  EXPECT_NE(std::search(all.begin(), all.end(), names.begin(), names.end()), all.end());
  EXPECT_EQ(Draw(BatchKind::kAlike, 80).images.size(), 80u);
}

TEST_F(ComposeTest, FollowsFromSeedNumberAndAttempt) {
  const auto images = Draw(BatchKind::kRandom, 10).images;
  EXPECT_EQ(Draw(BatchKind::kRandom, 10).images, images);
  EXPECT_NE(Draw(BatchKind::kRandom, 10, 1).images, images);
  EXPECT_NE(Draw(BatchKind::kRandom, 10, 0, 1).images, images);
  EXPECT_NE(Compose(dataset_, labeled_, unlabeled_, {BatchKind::kRandom, 10, 0}, 4, 0).images,
            images);
}

TEST(PlanTrials, MixesKindsAndSizes) {
  const std::vector<TrialPlan> plans = PlanTrials(64, 5, 50, 1);
  ASSERT_EQ(plans.size(), 64u);
  std::map<BatchKind, int> kinds;
  int small = 0;
  for (const TrialPlan& plan : plans) {
    EXPECT_EQ(plan.number, kinds[plan.kind]++);
    EXPECT_GE(plan.size, 5);
    EXPECT_LE(plan.size, 50);
    small += plan.size * plan.size < 5 * 50;  // below the geometric mean
  }
  EXPECT_EQ(kinds.size(), std::size(kBatchKinds));
  EXPECT_EQ(kinds[BatchKind::kSelected], 16);
  EXPECT_NEAR(small, 32, 2);
  EXPECT_NE(PlanTrials(64, 5, 50, 2)[0].size, plans[0].size);
  for (const TrialPlan& plan : PlanTrials(5, 7, 7, 1)) EXPECT_EQ(plan.size, 7);
}

}  // namespace
}  // namespace mgral::client
