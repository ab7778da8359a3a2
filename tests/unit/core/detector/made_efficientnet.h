#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mgral::core::testing_support {

// value() of efficientnet_golden.py.
inline at::Tensor FormulaValue(int64_t tensor, at::IntArrayRef shape, double scale = 1,
                               double offset = 0) {
  int64_t count = 1;
  for (int64_t side : shape) count *= side;
  const at::Tensor index = at::arange(count, at::kDouble);
  const double step = 0.7 * static_cast<double>(1 + tensor % 5);
  return (offset + scale * at::sin(index * step + static_cast<double>(tensor))).view(shape);
}

// A state dict with the names and shapes of PyPI's, its values by formula.
class MadeState {
 public:
  MadeState() {
    Conv("_conv_stem", {32, 3, 3, 3});
    Norm("_bn0", 32);
    int block = 0;
    int64_t in = 32;
    const struct {
      int repeats;
      int64_t kernel, expansion, out;
    } stages[] = {{1, 3, 1, 16},  {2, 3, 6, 24},  {2, 5, 6, 40}, {3, 3, 6, 80},
                  {3, 5, 6, 112}, {4, 5, 6, 192}, {1, 3, 6, 320}};
    for (const auto& stage : stages) {
      for (int i = 0; i < stage.repeats; ++i, ++block, in = stage.out) {
        const std::string name = "_blocks." + std::to_string(block) + ".";
        const int64_t wide = in * stage.expansion;
        if (stage.expansion != 1) {
          Conv(name + "_expand_conv", {wide, in, 1, 1});
          Norm(name + "_bn0", wide);
        }
        Conv(name + "_depthwise_conv", {wide, 1, stage.kernel, stage.kernel});
        Norm(name + "_bn1", wide);
        Conv(name + "_project_conv", {stage.out, wide, 1, 1});
        Norm(name + "_bn2", stage.out);
      }
    }
  }

  std::map<std::string, at::Tensor> state;

 private:
  void Conv(const std::string& name, std::vector<int64_t> shape) {
    const double fan = static_cast<double>(shape[1] * shape[2] * shape[3]);
    state[name + ".weight"] = FormulaValue(++count_, shape, std::sqrt(3 / fan)).to(at::kFloat);
  }
  void Norm(const std::string& name, int64_t channels) {
    ++count_;
    state[name + ".weight"] = FormulaValue(count_, {channels}, 0.2, 1).to(at::kFloat);
    state[name + ".bias"] = FormulaValue(count_ + 1, {channels}, 0.3).to(at::kFloat);
    state[name + ".running_mean"] = FormulaValue(count_ + 2, {channels}, 0.1).to(at::kFloat);
    state[name + ".running_var"] = FormulaValue(count_ + 3, {channels}, 0.4, 1).to(at::kFloat);
  }

  int64_t count_ = 0;
};

}  // namespace mgral::core::testing_support
