#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "server/core/geometry/box.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

BoxF RandomBox(std::mt19937& random, int limit) {
  std::uniform_int_distribution<int> at(0, limit - 1), size(0, limit / 2);
  const float x = at(random), y = at(random);
  return {x, y, x + size(random), y + size(random)};
}

// IoU by counting whole pixels, for boxes on a grid.
double IouByCounting(const BoxF& a, const BoxF& b, int limit) {
  int both = 0, any = 0;
  for (int y = 0; y < limit; ++y) {
    for (int x = 0; x < limit; ++x) {
      const auto inside = [&](const BoxF& c) {
        return x >= c.x_min && x < c.x_max && y >= c.y_min && y < c.y_max;
      };
      both += inside(a) && inside(b);
      any += inside(a) || inside(b);
    }
  }
  return any > 0 ? static_cast<double>(both) / any : 0;
}

at::Tensor ToTensor(const std::vector<BoxF>& boxes) {
  at::Tensor t = at::empty({static_cast<int64_t>(boxes.size()), 4});
  for (size_t i = 0; i < boxes.size(); ++i) {
    t[i] = at::tensor({boxes[i].x_min, boxes[i].y_min, boxes[i].x_max, boxes[i].y_max});
  }
  return t;
}

TEST(Iou, BoxesWithoutAreaOverlapNothing) {
  const BoxF empty{3, 3, 3, 9}, turned{9, 9, 3, 3}, box{0, 0, 10, 10};
  EXPECT_EQ(Iou(empty, box), 0);
  EXPECT_EQ(Iou(empty, empty), 0);
  EXPECT_EQ(Iou(turned, box), 0);
  EXPECT_FALSE(
      PairwiseIou(ToTensor({empty, turned}), ToTensor({empty, box})).isnan().any().item<bool>());
}

TEST(Iou, EqualsCountingPixels) {
  std::mt19937 random(1);
  std::vector<BoxF> a, b;
  for (int i = 0; i < 20; ++i) {
    a.push_back(RandomBox(random, 16));
    b.push_back(RandomBox(random, 16));
  }
  const at::Tensor all = PairwiseIou(ToTensor(a), ToTensor(b));
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 20; ++j) {
      const double expected = IouByCounting(a[i], b[j], 32);
      EXPECT_NEAR(Iou(a[i], b[j]), expected, 1e-6);
      EXPECT_NEAR(all[i][j].item<double>(), expected, 1e-6);
    }
  }
}

TEST(GeneralizedIou, KnownValues) {
  const at::Tensor boxes = ToTensor({{0, 0, 10, 10}, {0, 0, 10, 10}, {0, 0, 10, 10}});
  const at::Tensor others = ToTensor({{0, 0, 10, 10}, {20, 0, 30, 10}, {5, 0, 15, 10}});
  const at::Tensor giou = GeneralizedIou(boxes, others);
  EXPECT_NEAR(giou[0].item<double>(), 1, 1e-6);
  EXPECT_NEAR(giou[1].item<double>(), -1.0 / 3, 1e-6);  // apart: minus the gap's share of the hull
  EXPECT_NEAR(giou[2].item<double>(), 1.0 / 3, 1e-6);   // the hull is the union
}

TEST(BoxCoding, DecodeUndoesEncode) {
  const at::Tensor anchors = ToTensor({{0, 0, 16, 16}, {10, 20, 42, 36}, {-8, -8, 8, 8}});
  const at::Tensor boxes = ToTensor({{2, 1, 12, 30}, {15, 18, 40, 60}, {0, 0, 100, 3}});
  EXPECT_TRUE(at::allclose(DecodeBoxes(EncodeBoxes(boxes, anchors), anchors), boxes, 1e-5, 1e-4));
}

TEST(BoxCoding, HugeDeltasStayFinite) {
  const at::Tensor anchors = ToTensor({{0, 0, 16, 16}});
  EXPECT_TRUE(DecodeBoxes(at::full({1, 4}, 1e4), anchors).isfinite().all().item<bool>());
}

TEST(BoxCoding, MirrorTwiceIsNothing) {
  const at::Tensor boxes = ToTensor({{2, 1, 12, 30}, {15, 18, 40, 60}});
  EXPECT_TRUE(at::equal(MirrorBoxes(MirrorBoxes(boxes, 64), 64), boxes));
  EXPECT_TRUE(at::equal(MirrorBoxes(boxes, 64)[0], at::tensor({52.f, 1.f, 62.f, 30.f})));
}

// torchvision 0.14: AnchorGenerator(((32, 40, 50),), ((0.5, 1.0, 2.0),)) on a 2x2 grid of stride 8
// starts with [-23, -11, 23, 11].
TEST(Anchors, AreTorchvisions) {
  const at::Tensor anchors = MakeAnchors({8, 32}, {3, {0.5, 1.0, 2.0}}, 16, 9);
  ASSERT_EQ(anchors.sizes(), (std::vector<int64_t>{2 * 2 * 9, 4}));
  EXPECT_TRUE(at::equal(anchors[0], at::tensor({-23.f, -11.f, 23.f, 11.f})));
  EXPECT_TRUE(at::equal(anchors[3], at::tensor({-16.f, -16.f, 16.f, 16.f})));
  EXPECT_TRUE(at::equal(anchors[9 + 3], at::tensor({-8.f, -16.f, 24.f, 16.f})));
  EXPECT_TRUE(at::equal(anchors[18 + 3], at::tensor({-16.f, -8.f, 16.f, 24.f})));
}

// Suppression by its definition: a box survives iff no surviving better one of its class overlaps.
std::vector<size_t> SlowNms(const std::vector<Detection>& d, float threshold) {
  std::vector<size_t> order(d.size()), kept;
  for (size_t i = 0; i < d.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return d[a].score > d[b].score; });
  for (size_t i : order) {
    bool survives = true;
    for (size_t k : kept) {
      if (d[k].label == d[i].label && IouByCounting(d[k].box, d[i].box, 40) > threshold) {
        survives = false;
      }
    }
    if (survives) kept.push_back(i);
  }
  return kept;
}

TEST(Nms, NothingInNothingOut) { EXPECT_TRUE(NonMaximumSuppression({}, 0.5f, 10).empty()); }

TEST(Nms, EqualsBruteForce) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    std::vector<Detection> all;
    for (int i = 0; i < 25; ++i) {
      all.push_back({RandomBox(random, 20), static_cast<int32_t>(random() % 2),
                     static_cast<float>(random() % 10) / 10});
    }
    const std::vector<Detection> kept = NonMaximumSuppression(all, 0.43f, 100);
    const std::vector<size_t> expected = SlowNms(all, 0.43f);
    ASSERT_EQ(kept.size(), expected.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].box.x_min, all[expected[i]].box.x_min);
      EXPECT_EQ(kept[i].score, all[expected[i]].score);
      EXPECT_EQ(kept[i].label, all[expected[i]].label);
    }
  }
}

TEST(Nms, ClassesDoNotSuppressEachOtherAndTheLimitHolds) {
  const BoxF box{0, 0, 10, 10};
  const std::vector<Detection> all = {{box, 0, 0.5f}, {box, 1, 0.9f}, {box, 0, 0.8f}};
  const auto kept = NonMaximumSuppression(all, 0.5f, 10);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].label, 1);
  EXPECT_FLOAT_EQ(kept[1].score, 0.8f);
  EXPECT_EQ(NonMaximumSuppression(all, 0.5f, 1).size(), 1u);
}

}  // namespace
}  // namespace mgral::core
