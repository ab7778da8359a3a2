#include "server/core/detector/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "server/core/detector/retinanet.h"

namespace mgral::core {
namespace {

DetectorConfig Small(bool frozen_trunk) {
  DetectorConfig config;
  config.depth = 18;
  config.width = 0.125;
  config.input_size = 64;
  config.pyramid_channels = 8;
  config.head_convs = 1;
  config.frozen_trunk = frozen_trunk;
  return config;
}

TrainConfig AdamW() {
  TrainConfig config;
  config.optimizer = OptimizerKind::kAdamW;
  config.weight_decay = 0.05;
  config.gradient_clip = 0;
  return config;
}

// The same gradients for both: a function of the parameter and the step.
void SetGradient(torch::Tensor parameter, int64_t step) {
  parameter.mutable_grad() = (parameter.detach() * 0.3 + 0.01 * static_cast<double>(step + 1));
}

TEST(Optimizer, AdamWStepsAsTorchs) {
  RetinaNet net(Small(false), 1), other(Small(false), 1);
  std::vector<torch::Tensor> decayed, plain;
  for (const auto& [name, p] : other.Parameters()) (p.dim() > 1 ? decayed : plain).push_back(p);
  torch::optim::AdamWOptions options(0.01);
  options.weight_decay(0.05);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(decayed);
  groups.emplace_back(plain, std::make_unique<torch::optim::AdamWOptions>(
                                 torch::optim::AdamWOptions(0.01).weight_decay(0)));
  torch::optim::AdamW reference(groups, options);

  Optimizer optimizer(net, AdamW());
  for (int64_t step = 0; step < 5; ++step) {
    for (const auto& [name, p] : net.Parameters()) SetGradient(p, step);
    for (const auto& [name, p] : other.Parameters()) SetGradient(p, step);
    optimizer.Step(0.01, step);
    reference.step();
  }
  const std::map<std::string, at::Tensor> expected = other.State();
  for (const auto& [name, p] : net.Parameters()) {
    EXPECT_TRUE(torch::allclose(p, expected.at(name), 1e-5, 1e-7)) << name;
  }
}

TEST(Optimizer, AFrozenTrunkStaysAsItIs) {
  RetinaNet net(Small(true), 1);
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : net.State()) before[name] = tensor.clone();
  TrainConfig config = AdamW();
  config.ema_decay = 0.5;
  Optimizer optimizer(net, config);
  for (const auto& [name, p] : net.Parameters()) {
    if (p.requires_grad()) SetGradient(p, 0);
  }
  optimizer.Step(0.01, 0);
  optimizer.UseAverage();
  for (const auto& [name, tensor] : net.State()) {
    const bool trunk = name.rfind("backbone.body.", 0) == 0;
    if (trunk || tensor.dim() > 1) {
      EXPECT_EQ(torch::equal(tensor, before.at(name)), trunk) << name;
    }
  }
}

TEST(Optimizer, GoesOnFromItsState) {
  RetinaNet net(Small(false), 1), resumed(Small(false), 1);
  Optimizer first(net, AdamW());
  const auto step = [](RetinaNet& n, Optimizer& optimizer, int64_t number) {
    for (const auto& [name, p] : n.Parameters()) SetGradient(p, number);
    optimizer.Step(0.01, number);
  };
  step(net, first, 0);
  Optimizer second(resumed, AdamW());
  resumed.SetState(net.State());
  second.SetState(first.State());
  step(net, first, 1);
  step(resumed, second, 1);
  const std::map<std::string, at::Tensor> expected = net.State();
  for (const auto& [name, tensor] : resumed.State()) {
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
  }
}

}  // namespace
}  // namespace mgral::core
