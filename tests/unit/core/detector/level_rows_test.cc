#include "server/core/detector/level_rows.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mgral::core {
namespace {

namespace nn = torch::nn;
using Tensors = std::vector<at::Tensor>;

constexpr int64_t kImages = 2, kChannels = 16;

// Of a pyramid whose smallest levels are a single line and a single position.
Tensors Levels() {
  Tensors levels;
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{6, 9}, {1, 5}, {1, 1}}) {
    levels.push_back((3 + 2 * torch::randn({kImages, kChannels, height, width}))
                         .contiguous(at::MemoryFormat::ChannelsLast)
                         .set_requires_grad(true));
  }
  return levels;
}

// Each level by torch's own operator, then all as rows.
at::Tensor LevelByLevel(const Tensors& levels,
                        const std::function<at::Tensor(const at::Tensor&, size_t)>& layer) {
  Tensors out;
  for (size_t i = 0; i < levels.size(); ++i) out.push_back(layer(levels[i], i));
  return ToRows(out);
}

// Compares two ways to compute the same, and the gradients of `inputs` through both.
void ExpectSame(const std::function<at::Tensor()>& one, const std::function<at::Tensor()>& other,
                Tensors inputs) {
  Tensors results[2];
  at::Tensor projection;
  for (int way = 0; way < 2; ++way) {
    const at::Tensor out = way == 0 ? one() : other();
    if (way == 0) projection = torch::randn_like(out);
    for (at::Tensor& input : inputs) input.mutable_grad() = at::Tensor();
    out.backward(projection);
    results[way].push_back(out.detach());
    for (const at::Tensor& input : inputs) results[way].push_back(input.grad().clone());
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_GT(results[1][i].abs().max().item<double>(), 0) << i;
    EXPECT_TRUE(torch::allclose(results[0][i], results[1][i], 1e-4, 1e-4)) << i;
  }
}

Tensors With(Tensors levels, const Tensors& more) {
  levels.insert(levels.end(), more.begin(), more.end());
  return levels;
}

class LevelRows : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(5); }
};

TEST_F(LevelRows, OneLevelThereAndBackIsTheSameMap) {
  const at::Tensor level = Levels()[0];
  EXPECT_TRUE(torch::equal(ToMap(ToRows({level}), ShapesOf({level})[0]), level));
}

TEST_F(LevelRows, DepthwiseIsAGroupedConvolution) {
  const Tensors levels = Levels();
  const at::Tensor weight = torch::randn({kChannels, 1, 3, 3}).set_requires_grad(true);
  ExpectSame([&] { return DepthwiseRows(ToRows(levels), weight, ShapesOf(levels)); },
             [&] {
               return LevelByLevel(levels, [&](const at::Tensor& map, size_t) {
                 return at::conv2d(map, weight, {}, 1, 1, 1, kChannels);
               });
             },
             With(levels, {weight}));
}

TEST_F(LevelRows, DepthwiseRefusesChannelsThatItWouldReadBeyond) {
  const at::Tensor rows = torch::ones({4, 12}), weight = torch::ones({12, 1, 3, 3});
  EXPECT_FALSE(FitsRows(12));
  EXPECT_THROW(DepthwiseRows(rows, weight, {{1, 2, 2}}), std::invalid_argument);
}

TEST_F(LevelRows, PointwiseIsAConvolutionOfOnePosition) {
  const Tensors levels = Levels();
  for (const bool bias : {true, false}) {
    nn::Conv2d conv(nn::Conv2dOptions(kChannels, 5, 1).bias(bias));
    ExpectSame([&] { return PointwiseRows(ToRows(levels), *conv); },
               [&] {
                 return LevelByLevel(
                     levels, [&](const at::Tensor& map, size_t) { return conv->forward(map); });
               },
               With(levels, conv->parameters()));
  }
}

// Two sets of equal norms, so that neither way sees the running statistics of the other.
TEST_F(LevelRows, NormIsABatchNormOfEachLevel) {
  Tensors levels = Levels();
  levels.pop_back();  // a norm of two rows is all rounding
  for (const bool training : {true, false}) {
    std::vector<nn::BatchNorm2d> norms[2];
    Tensors parameters;
    for (size_t i = 0; i < levels.size(); ++i) {
      for (auto& of_way : norms) of_way.emplace_back(kChannels);
      for (at::Tensor& p : norms[0][i]->parameters()) {
        p.set_data(torch::randn({kChannels}));
        parameters.push_back(p);
      }
      for (auto& of_way : norms) {
        of_way[i]->weight = norms[0][i]->weight;
        of_way[i]->bias = norms[0][i]->bias;
        of_way[i]->running_mean.fill_(2);
        of_way[i]->running_var.fill_(3);
        of_way[i]->train(training);
      }
    }
    ExpectSame([&] { return NormReluRows(ToRows(levels), norms[0], ShapesOf(levels)); },
               [&] {
                 return LevelByLevel(levels, [&](const at::Tensor& map, size_t level) {
                   return norms[1][level]->forward(map).relu();
                 });
               },
               With(levels, parameters));
    for (size_t i = 0; i < levels.size(); ++i) {
      for (size_t b = 0; b < norms[0][i]->buffers().size(); ++b) {
        const at::Tensor own = norms[0][i]->buffers()[b], torchs = norms[1][i]->buffers()[b];
        EXPECT_TRUE(torch::allclose(own.to(at::kDouble), torchs.to(at::kDouble), 1e-5)) << b;
      }
    }
  }
}

}  // namespace
}  // namespace mgral::core
