#include "server/app/start_cycle.h"

#include <gtest/gtest.h>

#include "server/base/errors.h"
#include "tests/support/mock_pool_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::app {
namespace {

using domain::ImageUse;
using ::testing::_;
using ::testing::Return;

class StartCycleTest : public ::testing::Test {
 protected:
  StartCycleTest() {
    ON_CALL(pools_, LabeledImages)
        .WillByDefault(Return(std::vector<domain::PoolStore::LabeledImage>()));
    ON_CALL(pools_, UnlabeledImages).WillByDefault(Return(std::vector<domain::Image>()));
  }
  std::string Start() {
    const auto cycle = StartCycle(&pools_, &cycles_, nullptr, domain::Pool(), false, {});
    return cycle.ok() ? "started" : base::Reason(cycle.status());
  }
  void AddLabeled(ImageUse use) {
    ON_CALL(pools_, LabeledImages(_, use, _, _))
        .WillByDefault(Return(std::vector<domain::PoolStore::LabeledImage>(1)));
  }
  void AddUnlabeled() {
    ON_CALL(pools_, UnlabeledImages).WillByDefault(Return(std::vector<domain::Image>(1)));
  }
  testing::NiceMock<test::MockPoolStore> pools_;
  testing::StrictMock<test::MockCycleStore> cycles_;
};

TEST_F(StartCycleTest, AnEmptyPoolCannot) {
  EXPECT_CALL(cycles_, StartCycle).Times(0);
  EXPECT_EQ(Start(), "POOL_EMPTY");
  AddLabeled(ImageUse::kValidation);
  EXPECT_EQ(Start(), "POOL_EMPTY");
}

TEST_F(StartCycleTest, WithoutLabelsItIsAColdStart) {
  AddUnlabeled();
  EXPECT_CALL(cycles_, StartCycle).WillOnce(Return(domain::Cycle()));
  EXPECT_EQ(Start(), "started");
}

TEST_F(StartCycleTest, LabelsNeedSomethingToMeasureWith) {
  AddLabeled(ImageUse::kTraining);
  EXPECT_EQ(Start(), "NO_VALIDATION");
  AddLabeled(ImageUse::kValidation);
  EXPECT_CALL(cycles_, StartCycle).WillOnce(Return(domain::Cycle()));
  EXPECT_EQ(Start(), "started");
}

}  // namespace
}  // namespace mgral::app
