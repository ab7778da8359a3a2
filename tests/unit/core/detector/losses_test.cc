#include "server/core/detector/losses.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

using Function = std::function<torch::Tensor(const torch::Tensor&)>;

torch::Tensor Random(at::IntArrayRef shape, double low, double high) {
  return torch::rand(shape, torch::kDouble) * (high - low) + low;
}

// The gradient that autograd gives against central differences, number by number.
void ExpectGradient(const Function& loss, torch::Tensor input) {
  input = input.detach().clone().set_requires_grad(true);
  loss(input).backward();
  const torch::Tensor gradient = input.grad().reshape({-1});
  ASSERT_GT(gradient.abs().sum().item<double>(), 0);
  torch::NoGradGuard no_grad;
  const double step = 1e-6;
  for (int64_t i = 0; i < input.numel(); ++i) {
    const auto at = [&](double change) {
      torch::Tensor moved = input.detach().clone();
      moved.view({-1})[i] += change;
      return loss(moved).item<double>();
    };
    EXPECT_NEAR(gradient[i].item<double>(), (at(step) - at(-step)) / (2 * step), 1e-6) << i;
  }
}

torch::Tensor Boxes(int64_t n) {
  const torch::Tensor corner = Random({n, 2}, 0, 20);
  return torch::cat({corner, corner + Random({n, 2}, 10, 20)}, 1);
}

class Losses : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(3); }
};

TEST_F(Losses, FocalGradient) {
  const torch::Tensor targets = (Random({6, 4}, 0, 1) < 0.4).to(torch::kDouble);
  for (double gamma : {0.0, 1.5, 2.0}) {
    ExpectGradient([&](const torch::Tensor& x) { return FocalLoss(x, targets, 0.25, gamma).sum(); },
                   Random({6, 4}, -3, 3));
  }
}

TEST_F(Losses, FocalIsCrossEntropyWithoutFocus) {
  const torch::Tensor logits = Random({5, 3}, -3, 3);
  const torch::Tensor targets = (Random({5, 3}, 0, 1) < 0.5).to(torch::kDouble);
  EXPECT_TRUE(torch::allclose(
      2 * FocalLoss(logits, targets, 0.5, 0),
      torch::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::None)));
}

TEST_F(Losses, FocalIsFiniteFarOut) {
  torch::Tensor logits =
      torch::tensor({-1e4, -90.0, 90.0, 1e4}, torch::kDouble).set_requires_grad(true);
  for (double target : {0.0, 1.0}) {
    const torch::Tensor loss =
        FocalLoss(logits, torch::full({4}, target, torch::kDouble), 0.25, 2).sum();
    loss.backward();
    EXPECT_TRUE(loss.isfinite().item<bool>());
    EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
  }
}

TEST_F(Losses, SmoothL1Gradient) {
  const torch::Tensor targets = Random({5, 4}, -1, 1);
  for (double beta : {0.05, 1.0}) {
    ExpectGradient([&](const torch::Tensor& x) { return SmoothL1Loss(x, targets, beta).sum(); },
                   Random({5, 4}, -1, 1));
  }
}

TEST_F(Losses, GiouGradientWhereBoxesOverlapAndWhereTheyDoNot) {
  const torch::Tensor targets = Boxes(8);
  const Function loss = [&](const torch::Tensor& x) { return GiouLoss(x, targets).sum(); };
  ExpectGradient(loss, targets + Random({8, 4}, -3, 3));
  ExpectGradient(loss, Boxes(8) + 60);
  EXPECT_NEAR(loss(targets).item<double>(), 0, 1e-9);
}

TEST_F(Losses, GiouGradientThroughDecoding) {
  const torch::Tensor anchors = Boxes(5), targets = Boxes(5);
  ExpectGradient(
      [&](const torch::Tensor& x) { return GiouLoss(DecodeBoxes(x, anchors), targets).sum(); },
      Random({5, 4}, -0.4, 0.4));
}

TEST_F(Losses, ClassConsistencyGradientInBothViews) {
  const torch::Tensor other = Random({6, 3}, -3, 3);
  ExpectGradient([&](const torch::Tensor& x) { return ClassConsistencyLoss(x, other); },
                 Random({6, 3}, -3, 3));
  ExpectGradient([&](const torch::Tensor& x) { return ClassConsistencyLoss(other, x); },
                 Random({6, 3}, -3, 3));
}

TEST_F(Losses, BoxConsistencyGradientInBothViews) {
  const torch::Tensor anchors = Boxes(5), other = Boxes(5);
  ExpectGradient([&](const torch::Tensor& x) { return BoxConsistencyLoss(x, other, anchors); },
                 Boxes(5));
  ExpectGradient([&](const torch::Tensor& x) { return BoxConsistencyLoss(other, x, anchors); },
                 Boxes(5));
}

// One level of 2 x 4 positions, 2 anchors each.
class MirrorConsistency : public Losses {
 protected:
  void SetUp() override {
    Losses::SetUp();
    plain_.features = {torch::zeros({1, 8, 2, 4})};
    plain_.level_anchors = {16};
    mirror_ = plain_;
    const torch::Tensor corner = Random({16, 2}, 0, 40);
    anchors_ = torch::cat({corner, corner + 16}, 1);
    order_ = MirrorOrder(plain_);
    const torch::Tensor boxes = Boxes(16);
    plain_.logits = Random({1, 16, 3}, -1, 3);
    plain_.deltas = EncodeBoxes(boxes, anchors_).unsqueeze(0);
    mirror_.logits = plain_.logits.index_select(1, order_);
    mirror_.deltas =
        EncodeBoxes(MirrorBoxes(boxes, 64).index_select(0, order_), anchors_).unsqueeze(0);
  }
  double Loss(double foreground_score) const {
    return ConsistencyLoss(plain_, mirror_, anchors_, 64, foreground_score).item<double>();
  }

  RawOutput plain_, mirror_;
  torch::Tensor anchors_, order_;
};

TEST_F(MirrorConsistency, OrderIsItsOwnInverse) {
  EXPECT_TRUE(torch::equal(order_.index_select(0, order_), torch::arange(16)));
  EXPECT_EQ(order_[0].item<int64_t>(), 6);  // first row, last position, first anchor
}

TEST_F(MirrorConsistency, IsZeroForASymmetricOutput) { EXPECT_NEAR(Loss(0), 0, 1e-9); }

TEST_F(MirrorConsistency, IsPositiveWhenAViewDiffers) {
  mirror_.logits[0][3][1] += 2.0;
  EXPECT_GT(Loss(0), 1e-3);
  mirror_.logits[0][3][1] -= 2.0;
  mirror_.deltas[0][3][0] += 0.5;
  EXPECT_GT(Loss(0), 1e-3);
}

TEST_F(MirrorConsistency, BackgroundIsLeftOut) {
  plain_.logits.fill_(-5);
  mirror_.logits.fill_(-4);
  mirror_.deltas += 0.5;
  EXPECT_GT(Loss(0), 1e-3);
  EXPECT_EQ(Loss(0.5), 0);  // no foreground at all: zero, not NaN
}

}  // namespace
}  // namespace mgral::core
