// What a pool with an external detector can do, and what it refuses.
#include "server/app/external_detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/app/create_pool.h"
#include "server/app/estimate_gain.h"
#include "server/app/export_model.h"
#include "server/app/predict.h"
#include "server/app/query_batch.h"
#include "server/app/start_cycle.h"
#include "server/base/errors.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/fake_prediction_store.h"
#include "tests/support/fake_selection_runtime.h"
#include "tests/support/mock_pool_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Return;

class ExternalDetectorTest : public ::testing::Test {
 protected:
  ExternalDetectorTest() {
    pool_.pool_id = "cells";
    pool_.classes = {"RBC", "WBC"};
    pool_.detector.profile = domain::kExternalProfile;
    pool_.selection.strategy = "entropy";
    ON_CALL(pools_, CreatePool).WillByDefault([](const domain::Pool& pool, const auto&) {
      return pool;
    });
  }
  // The first field that is to blame.
  std::string Blamed(const std::function<void(domain::Pool*)>& change) {
    domain::Pool pool = pool_;
    change(&pool);
    const auto created = CreatePool(&pools_, &runtime_).Run(pool, {});
    const auto violations = base::FieldViolations(created.status());
    return violations.empty() ? "" : violations[0].field;
  }
  static void ExpectRefused(const absl::Status& status, const std::string& words) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_EQ(base::Reason(status), "EXTERNAL_DETECTOR");
    EXPECT_THAT(std::string(status.message()), HasSubstr("needs a detector of mgral's own"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }

  domain::Pool pool_;
  testing::NiceMock<test::MockPoolStore> pools_;
  testing::StrictMock<test::MockCycleStore> cycles_;
  test::FakeDetectorRuntime runtime_;
  test::FakeSelectionRuntime selection_;
  test::FakePredictionStore predictions_;
};

TEST_F(ExternalDetectorTest, ThePoolIsCreatedAndRanksByEntropyUnlessToldOtherwise) {
  pool_.selection.strategy = "";
  const auto created = CreatePool(&pools_, &runtime_).Run(pool_, {});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->selection.strategy, "entropy");
  for (const char* strategy : {"random", "entropy", "margin", "core_set", "class_balanced"}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.strategy = strategy; }), "") << strategy;
  }
}

TEST_F(ExternalDetectorTest, SettingsWithoutEffectAreRefused) {
  for (const char* strategy : {"mgral", "lookup_greedy", "unheard_of"}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.strategy = strategy; }),
              "pool.selection.strategy");
  }
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.warm_start = true; }),
            "pool.detector.warm_start");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.training_steps = 5; }),
            "pool.detector.training_steps");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.input_size = 320; }),
            "pool.detector.input_size");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.probes = 5; }), "pool.selection.probes");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.replay_probes = 5; }),
            "pool.selection.replay_probes");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.probe_seconds = 5; }),
            "pool.selection.probe_seconds");
}

TEST_F(ExternalDetectorTest, StrategiesWithATableAreRefusedByName) {
  BatchQuery query;
  query.size = 1;
  for (const char* strategy : {"mgral", "lookup_greedy"}) {
    query.strategy = strategy;
    const absl::Status refused = QueryBatch(nullptr, &selection_).Run(pool_, query, {}).status();
    ExpectRefused(refused, strategy);
    ExpectRefused(refused, "use one of random, random_deduplicated, entropy, margin, core_set");
    EXPECT_EQ(base::FieldViolations(refused).at(0).field, "strategy");
  }
}

TEST_F(ExternalDetectorTest, WhatNeedsADetectorIsRefusedByName) {
  ExpectRefused(EstimateGain(nullptr, &selection_, pool_, {"a"}).status(), "EstimateGain");
  Predict predict(&pools_, &cycles_, nullptr, &runtime_);
  ExpectRefused(predict.Run({}, pool_, std::nullopt, {}, {}).status(), "Predict");
  ExportModel exporting(&cycles_, nullptr, &runtime_, "0.1");
  ExpectRefused(exporting.Run({}, pool_, std::nullopt, nullptr, nullptr), "ExportModel");
}

TEST_F(ExternalDetectorTest, ACycleNeedsPredictionsAndNoValidationImages) {
  ON_CALL(pools_, LabeledImages)
      .WillByDefault(Return(std::vector<domain::PoolStore::LabeledImage>()));
  ON_CALL(pools_, LabeledImages(testing::_, domain::ImageUse::kTraining, testing::_, testing::_))
      .WillByDefault(Return(std::vector<domain::PoolStore::LabeledImage>(1)));
  ON_CALL(pools_, UnlabeledImages).WillByDefault(Return(std::vector<domain::Image>(1)));
  const auto start = [&] {
    return StartCycle(&pools_, &cycles_, &predictions_, pool_, false, {}).status();
  };
  EXPECT_EQ(base::Reason(start()), "NO_PREDICTIONS");
  predictions_.set = domain::PredictionSet{1, "yolo@1", 3, 1, 0};
  EXPECT_CALL(cycles_, StartCycle).WillOnce(Return(domain::Cycle()));
  EXPECT_TRUE(start().ok());
}

TEST_F(ExternalDetectorTest, ItsModelsCanBeRolledBackTo) {
  EXPECT_CALL(cycles_, GetModel).WillOnce(Return(domain::Model()));  // it has no weights
  EXPECT_CALL(cycles_, Rollback).WillOnce(Return(domain::Model()));
  EXPECT_TRUE(RollbackModel(&cycles_, nullptr, 7, 1, {}).ok());
}

}  // namespace
}  // namespace mgral::app
