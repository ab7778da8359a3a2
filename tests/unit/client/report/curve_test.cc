#include "client/cpp/report/curve.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Optional;
using testing::Pair;

StrategyRun RunWith(const Curve& curve, double boxes_per_label) {
  StrategyRun run;
  for (const auto& [labels, map50] : curve) {
    CurvePoint& point = run.points.emplace_back();
    point.labels = static_cast<int64_t>(labels);
    point.boxes = boxes_per_label * labels;
    point.map50 = map50;
  }
  return run;
}

TEST(AreaUnderCurve, NeedsTwoPoints) {
  EXPECT_EQ(AreaUnderCurve({}), std::nullopt);
  EXPECT_EQ(AreaUnderCurve({{40, 0.5}}), std::nullopt);
  EXPECT_EQ(AreaUnderCurve({{40, 0.5}, {40, 0.6}}), std::nullopt);
}

TEST(AreaUnderCurve, KnownCurves) {
  EXPECT_THAT(AreaUnderCurve({{10, 0.3}, {50, 0.3}}), Optional(DoubleNear(0.3, 1e-12)));
  EXPECT_THAT(AreaUnderCurve({{0, 0.0}, {100, 1.0}}), Optional(DoubleNear(0.5, 1e-12)));
  // Uneven steps: (10·0.2 + 30·0.5) / 40.
  EXPECT_THAT(AreaUnderCurve({{10, 0.1}, {20, 0.3}, {50, 0.7}}),
              Optional(DoubleNear(0.425, 1e-12)));
}

TEST(AreaUnderCurve, OfAPartIsLinearBetweenThePoints) {
  const Curve curve = {{10, 0.1}, {20, 0.3}, {20, 0.5}, {50, 0.8}};
  // From 15, at 0.2, to 20, at 0.3; then from 0.5 to 30, at 0.6: (5·0.25 + 10·0.55) / 15.
  EXPECT_THAT(AreaUnderCurve(curve, 15, 30), Optional(DoubleNear(0.45, 1e-12)));
  EXPECT_THAT(AreaUnderCurve(curve, 10, 50), Optional(DoubleNear(*AreaUnderCurve(curve), 1e-12)));
  EXPECT_EQ(AreaUnderCurve(curve, 5, 30), std::nullopt);
  EXPECT_EQ(AreaUnderCurve(curve, 20, 51), std::nullopt);
  EXPECT_EQ(AreaUnderCurve(curve, 20, 20), std::nullopt);
}

TEST(FirstReaches, InterpolatesAndAdmitsNever) {
  const Curve curve = {{40, 0.2}, {60, 0.4}, {80, 0.35}, {100, 0.6}};
  EXPECT_THAT(FirstReaches(curve, 0.3), Optional(DoubleNear(50, 1e-9)));
  EXPECT_THAT(FirstReaches(curve, 0.1), Optional(DoubleNear(40, 1e-9)));
  EXPECT_THAT(FirstReaches(curve, 0.6), Optional(DoubleNear(100, 1e-9)));
  EXPECT_EQ(FirstReaches(curve, 0.61), std::nullopt);
  EXPECT_EQ(FirstReaches({}, 0.1), std::nullopt);
}

TEST(MeanCurve, OverImagesOnlyWhereAllRunsHaveAPoint) {
  const StrategyRun a = RunWith({{10, 0.2}, {20, 0.4}, {30, 0.6}}, 3);
  const StrategyRun b = RunWith({{10, 0.4}, {20, 0.6}}, 5);
  EXPECT_THAT(MeanCurve({&a, &b}),
              ElementsAre(Pair(10, DoubleNear(0.3, 1e-12)), Pair(20, DoubleNear(0.5, 1e-12))));
}

TEST(MeanCurve, OverBoxesTheMeanAfterEachBatch) {
  const StrategyRun a = RunWith({{10, 0.2}, {20, 0.4}, {30, 0.6}}, 3);
  const StrategyRun b = RunWith({{10, 0.4}, {20, 0.6}}, 5);
  EXPECT_THAT(MeanCurve({&a, &b}, Axis::kBoxes),
              ElementsAre(Pair(DoubleNear(40, 1e-9), DoubleNear(0.3, 1e-12)),
                          Pair(DoubleNear(80, 1e-9), DoubleNear(0.5, 1e-12))));
  EXPECT_TRUE(MeanCurve({&a}, Axis::kCost).empty());  // no point has a cost
}

}  // namespace
}  // namespace mgral::client
