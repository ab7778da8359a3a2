#include "server/app/create_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "server/base/errors.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/mock_pool_store.h"

namespace mgral::app {
namespace {

using ::testing::_;
using ::testing::Field;
using ::testing::ReturnArg;

class CreatePoolTest : public ::testing::Test {
 protected:
  static domain::Pool Good() {
    domain::Pool pool;
    pool.pool_id = "cells";
    pool.classes = {"RBC", "WBC"};
    return pool;
  }
  // The first field that is to blame, after a change to a good pool; "" when it is accepted.
  std::string Blamed(const std::function<void(domain::Pool*)>& change) {
    domain::Pool pool = Good();
    change(&pool);
    int stored = 0;
    ON_CALL(pools_, CreatePool).WillByDefault([&](const domain::Pool& given, const auto&) {
      ++stored;
      return given;
    });
    const auto created = CreatePool(&pools_, &runtime_).Run(pool, {});
    EXPECT_EQ(stored, created.ok() ? 1 : 0);  // nothing of a refused one
    const auto violations = base::FieldViolations(created.status());
    return violations.empty() ? "" : violations[0].field;
  }
  testing::NiceMock<test::MockPoolStore> pools_;
  test::FakeDetectorRuntime runtime_;
};

TEST_F(CreatePoolTest, FillsInWhatWasLeftOut) {
  domain::Pool pool = Good();
  pool.pool_id = pool.detector.profile = pool.selection.strategy = "";
  pool.selection.batch_size = 0;
  EXPECT_CALL(pools_, CreatePool(_, Field(&domain::RequestKey::request_id, "r")))
      .WillOnce(ReturnArg<0>());
  const auto created = CreatePool(&pools_, &runtime_).Run(pool, {"CreatePool", "r", "f"});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->pool_id.substr(0, 5), "pool-");
  EXPECT_EQ(created->detector.profile, "tiny");
  EXPECT_EQ(created->selection.strategy, "mgral");
  EXPECT_EQ(created->selection.batch_size, 20);
}

TEST_F(CreatePoolTest, PoolIds) {
  for (const char* id : {"a", "a-1", "cells"}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->pool_id = id; }), "") << id;
  }
  for (const std::string& id :
       {std::string("1a"), std::string("-a"), std::string("A"), std::string("a_b"),
        std::string("a/b"), std::string("\xc3\xa9"), std::string(64, 'a')}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->pool_id = id; }), "pool_id") << id;
  }
}

TEST_F(CreatePoolTest, Classes) {
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {}; }), "pool.classes");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {"a", "a"}; }), "pool.classes[1]");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {"a", "  "}; }), "pool.classes[1]");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {"a\tb"}; }), "pool.classes[0]");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {std::string(129, 'a')}; }), "pool.classes[0]");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes.assign(1001, "a"); }), "pool.classes");
  EXPECT_EQ(Blamed([](auto* pool) { pool->classes = {"a", "A", "\xc3\xa4 b"}; }), "");
}

TEST_F(CreatePoolTest, Settings) {
  EXPECT_EQ(Blamed([](auto* pool) { pool->display_name = "a\nb"; }), "pool.display_name");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.profile = "vast"; }), "pool.detector.profile");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.training_steps = -1; }),
            "pool.detector.training_steps");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.input_size = 129; }),
            "pool.detector.input_size");
  EXPECT_EQ(Blamed([](auto* pool) { pool->detector.input_size = 320; }), "");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.strategy = "cold_start"; }),
            "pool.selection.strategy");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.batch_size = 10001; }),
            "pool.selection.batch_size");
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.replay_probes = -1; }), "");  // none
  for (const int bad : {-2, 10001}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.replay_probes = bad; }),
              "pool.selection.replay_probes");
  }
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.probes = -1; }), "pool.selection.probes");
}

TEST_F(CreatePoolTest, ProbesAreLimitedByNumberOrByTime) {
  for (const double good : {0.0, 0.001, 60.0, 86400.0}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.probe_seconds = good; }), "") << good;
  }
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity(), -1.0, 1e-300}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.probe_seconds = bad; }),
              "pool.selection.probe_seconds")
        << bad;
  }
  EXPECT_EQ(Blamed([](auto* pool) { pool->selection.replay_probes = 5; }), "");
  for (const int number : {5, -1}) {
    EXPECT_EQ(Blamed([&](auto* pool) {
                pool->selection.replay_probes = number;
                pool->selection.probe_seconds = 5;
              }),
              "pool.selection.probe_seconds");
  }
}

TEST_F(CreatePoolTest, CostsAndShares) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const double good : {0.0, 0.001, 7.5, 86400.0}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.seconds_per_image = good; }), "") << good;
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.seconds_per_box = good; }), "") << good;
  }
  for (const double bad : {nan, infinity, -infinity, -1.0, -1e-300, 1e-300, 86401.0, 1e308}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.seconds_per_image = bad; }),
              "pool.selection.seconds_per_image")
        << bad;
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.seconds_per_box = bad; }),
              "pool.selection.seconds_per_box")
        << bad;
  }
  for (const double good : {0.0, 0.15, 0.999999}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.uniform_share = good; }), "") << good;
  }
  for (const double bad : {nan, infinity, -0.01, 1.0, 15.0}) {
    EXPECT_EQ(Blamed([&](auto* pool) { pool->selection.uniform_share = bad; }),
              "pool.selection.uniform_share")
        << bad;
  }
}

}  // namespace
}  // namespace mgral::app
