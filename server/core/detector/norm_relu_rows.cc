#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "server/core/detector/level_rows.h"
#include "server/core/target_clones.h"

namespace mgral::core {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t kRowsInFloat = 64;  // are summed before a double takes their sum

// Adds the values, and the squares of their distance to `center`, of some rows.
MGRAL_TARGET_CLONES void AddMoments(const float* rows, const float* center, int64_t count,
                                    int64_t channels, float* sum, float* square) {
  for (int64_t r = 0; r < count; ++r) {
    const float* x = rows + r * channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float d = x[c] - center[c];
      sum[c] += d;
      square[c] += d * d;
    }
  }
}

MGRAL_TARGET_CLONES void ScaleShiftRelu(const float* rows, const float* scale, const float* shift,
                                        int64_t count, int64_t channels, float* out) {
  for (int64_t r = 0; r < count; ++r) {
    const float* x = rows + r * channels;
    float* y = out + r * channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float value = x[c] * scale[c] + shift[c];
      y[c] = value > 0 ? value : 0;
    }
  }
}

// Adds the gradients that pass the ReLU, and their products with the distance to `center`.
MGRAL_TARGET_CLONES void AddPassed(const float* rows, const float* out, const float* gradients,
                                   const float* center, int64_t count, int64_t channels, float* sum,
                                   float* product) {
  for (int64_t r = 0; r < count; ++r) {
    const float *x = rows + r * channels, *y = out + r * channels, *g = gradients + r * channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float passed = y[c] > 0 ? g[c] : 0;
      sum[c] += passed;
      product[c] += passed * (x[c] - center[c]);
    }
  }
}

// scale * passed + slope * x + shift.
MGRAL_TARGET_CLONES void NormGradients(const float* rows, const float* out, const float* gradients,
                                       const float* scale, const float* slope, const float* shift,
                                       int64_t count, int64_t channels, float* to) {
  for (int64_t r = 0; r < count; ++r) {
    const float *x = rows + r * channels, *y = out + r * channels, *g = gradients + r * channels;
    float* o = to + r * channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float passed = y[c] > 0 ? g[c] : 0;
      o[c] = scale[c] * passed + slope[c] * x[c] + shift[c];
    }
  }
}

// Two sums per channel, one after the other, `add`ed in float by chunks of rows.
template <typename Add>
std::vector<double> TwoSums(int64_t count, int64_t channels, const Add& add) {
  std::vector<double> sums(2 * channels);
  std::vector<float> chunk(2 * channels);
  for (int64_t first = 0; first < count; first += kRowsInFloat) {
    std::fill(chunk.begin(), chunk.end(), 0.0F);
    add(first, std::min(kRowsInFloat, count - first), chunk.data(), chunk.data() + channels);
    for (int64_t i = 0; i < 2 * channels; ++i) sums[i] += chunk[i];
  }
  return sums;
}

// Writes the mean and the variance of a level's rows, and lets the norm's running ones follow.
void MeasureBatch(const float* rows, int64_t count, int64_t channels,
                  torch::nn::BatchNorm2dImpl& norm, float* mean, float* variance) {
  // Squares about a row, which is near enough to the mean for them to keep their digits.
  const std::vector<double> sums =
      TwoSums(count, channels, [&](int64_t first, int64_t n, float* sum, float* square) {
        AddMoments(rows + first * channels, rows, n, channels, sum, square);
      });
  float *running_mean = norm.running_mean.data_ptr<float>(),
        *running_variance = norm.running_var.data_ptr<float>();
  const double n = static_cast<double>(count), momentum = *norm.options.momentum();
  for (int64_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / n;
    const double spread = std::max(0.0, sums[channels + c] / n - offset * offset);
    mean[c] = static_cast<float>(rows[c] + offset);
    variance[c] = static_cast<float>(spread);
    running_mean[c] += static_cast<float>(momentum * (mean[c] - running_mean[c]));
    running_variance[c] +=
        static_cast<float>(momentum * (spread * n / std::max(1.0, n - 1) - running_variance[c]));
  }
  norm.num_batches_tracked += 1;
}

class NormRelu : public Function<NormRelu> {
 public:
  // `gammas` and `betas`: [levels, C]. `norms`: their running statistics, which training updates.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& gammas, const at::Tensor& betas,
                            std::vector<torch::nn::BatchNorm2d>* norms,
                            const std::vector<int64_t>& counts) {
    const int64_t channels = rows.size(1);
    const bool training = norms->front()->is_training();
    at::Tensor means = at::empty_like(gammas), inverses = at::empty_like(gammas);
    at::Tensor out = at::empty_like(rows);
    std::vector<float> scale(channels), shift(channels);
    const float *in = rows.data_ptr<float>(), *gamma = gammas.data_ptr<float>(),
                *beta = betas.data_ptr<float>();
    float *mean = means.data_ptr<float>(), *inverse = inverses.data_ptr<float>(),
          *to = out.data_ptr<float>();
    for (size_t level = 0; level < counts.size(); ++level) {
      torch::nn::BatchNorm2dImpl& norm = *norms->at(level);
      if (training) {
        MeasureBatch(in, counts[level], channels, norm, mean, inverse);
      } else {
        std::copy_n(norm.running_mean.data_ptr<float>(), channels, mean);
        std::copy_n(norm.running_var.data_ptr<float>(), channels, inverse);
      }
      for (int64_t c = 0; c < channels; ++c) {
        inverse[c] = static_cast<float>(1 / std::sqrt(inverse[c] + norm.options.eps()));
        scale[c] = gamma[c] * inverse[c];
        shift[c] = beta[c] - mean[c] * scale[c];
      }
      ScaleShiftRelu(in, scale.data(), shift.data(), counts[level], channels, to);
      in += counts[level] * channels;
      to += counts[level] * channels;
      for (const float** each : {&gamma, &beta}) *each += channels;
      for (float** each : {&mean, &inverse}) *each += channels;
    }
    context->save_for_backward({rows, out, gammas, means, inverses});
    context->saved_data["training"] = training;
    context->saved_data["counts"] = counts;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& from) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradients = from[0].contiguous();
    const std::vector<int64_t> counts = context->saved_data["counts"].toIntVector();
    const bool training = context->saved_data["training"].toBool();
    const int64_t channels = gradients.size(1);
    at::Tensor to_rows = at::empty_like(saved[0]), to_gammas = at::empty_like(saved[2]),
               to_betas = at::empty_like(saved[2]);
    std::vector<float> scale(channels), slope(channels), shift(channels);
    const float *x = saved[0].data_ptr<float>(), *y = saved[1].data_ptr<float>(),
                *gamma = saved[2].data_ptr<float>(), *mean = saved[3].data_ptr<float>(),
                *inverse = saved[4].data_ptr<float>(), *g = gradients.data_ptr<float>();
    float *to = to_rows.data_ptr<float>(), *to_gamma = to_gammas.data_ptr<float>(),
          *to_beta = to_betas.data_ptr<float>();
    for (const int64_t count : counts) {
      const std::vector<double> sums =
          TwoSums(count, channels, [&](int64_t first, int64_t n, float* sum, float* product) {
            const int64_t at = first * channels;
            AddPassed(x + at, y + at, g + at, mean, n, channels, sum, product);
          });
      for (int64_t c = 0; c < channels; ++c) {
        to_beta[c] = static_cast<float>(sums[c]);
        to_gamma[c] = static_cast<float>(sums[channels + c] * inverse[c]);
        scale[c] = gamma[c] * inverse[c];
        // In training the statistics depend on the rows, too.
        const double share = training ? -scale[c] / static_cast<double>(count) : 0;
        slope[c] = static_cast<float>(share * inverse[c] * to_gamma[c]);
        shift[c] = static_cast<float>(share * to_beta[c] - slope[c] * mean[c]);
      }
      NormGradients(x, y, g, scale.data(), slope.data(), shift.data(), count, channels, to);
      for (const float** each : {&x, &y, &g}) *each += count * channels;
      to += count * channels;
      for (const float** each : {&gamma, &mean, &inverse}) *each += channels;
      for (float** each : {&to_gamma, &to_beta}) *each += channels;
    }
    return {to_rows, to_gammas, to_betas, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor NormReluRows(const at::Tensor& rows, std::vector<torch::nn::BatchNorm2d>& norms,
                        const std::vector<LevelShape>& shapes) {
  std::vector<at::Tensor> gammas, betas;
  std::vector<int64_t> counts;
  for (const LevelShape& shape : shapes) {
    gammas.push_back(norms.at(counts.size())->weight);
    betas.push_back(norms[counts.size()]->bias);
    counts.push_back(shape.rows());
  }
  return NormRelu::apply(rows.contiguous(), at::stack(gammas), at::stack(betas), &norms, counts);
}

}  // namespace mgral::core
