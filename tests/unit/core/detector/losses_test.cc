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

}  // namespace
}  // namespace mgral::core
