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

// Adds to `sum` the rows' distances to `center`, and to `square` their squares.
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

// Adds to `sum` the gradients that pass the ReLU, and to `product` their products with the rows'
// distances to `center`.
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

// Two sums over the rows for each channel, [2 C]: `add` sums a chunk of rows in float, and the
// chunks are summed in double.
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

// Writes the mean and the variance of a level's rows, and updates the norm's running ones.
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

// What backward needs of a level.
struct Level {
  at::Tensor rows, out;             // [n, C]
  at::Tensor gamma, mean, inverse;  // [C], the last of the standard deviation
};

// Views of the same tensors of all levels: `all` are [M, C] twice, then [levels, C].
Level LevelOf(const variable_list& all, size_t level, int64_t first_row, int64_t count) {
  const int64_t l = static_cast<int64_t>(level);
  return {all[0].narrow(0, first_row, count), all[1].narrow(0, first_row, count), all[2][l],
          all[3][l], all[4][l]};
}

// Computes the level's mean, inverse, and out.
void NormLevel(const Level& level, const at::Tensor& beta, torch::nn::BatchNorm2dImpl& norm) {
  const int64_t count = level.rows.size(0), channels = level.rows.size(1);
  const float* rows = level.rows.data_ptr<float>();
  float *mean = level.mean.data_ptr<float>(), *inverse = level.inverse.data_ptr<float>();
  if (norm.is_training()) {
    MeasureBatch(rows, count, channels, norm, mean, inverse);
  } else {
    std::copy_n(norm.running_mean.data_ptr<float>(), channels, mean);
    std::copy_n(norm.running_var.data_ptr<float>(), channels, inverse);
  }
  const float *gamma = level.gamma.data_ptr<float>(), *shifted = beta.data_ptr<float>();
  std::vector<float> scale(channels), shift(channels);
  for (int64_t c = 0; c < channels; ++c) {
    inverse[c] = static_cast<float>(1 / std::sqrt(inverse[c] + norm.options.eps()));
    scale[c] = gamma[c] * inverse[c];
    shift[c] = shifted[c] - mean[c] * scale[c];
  }
  ScaleShiftRelu(rows, scale.data(), shift.data(), count, channels, level.out.data_ptr<float>());
}

// From the gradients of the level's out [n, C], those of its rows, gamma, and beta.
void LevelGradients(const Level& level, const at::Tensor& gradients, bool training,
                    const at::Tensor& to_rows, const at::Tensor& to_gamma,
                    const at::Tensor& to_beta) {
  const int64_t count = level.rows.size(0), channels = level.rows.size(1);
  const float *x = level.rows.data_ptr<float>(), *y = level.out.data_ptr<float>(),
              *g = gradients.data_ptr<float>(), *mean = level.mean.data_ptr<float>(),
              *inverse = level.inverse.data_ptr<float>(), *gamma = level.gamma.data_ptr<float>();
  const std::vector<double> sums =
      TwoSums(count, channels, [&](int64_t first, int64_t n, float* sum, float* product) {
        const int64_t at = first * channels;
        AddPassed(x + at, y + at, g + at, mean, n, channels, sum, product);
      });
  float *by_gamma = to_gamma.data_ptr<float>(), *by_beta = to_beta.data_ptr<float>();
  std::vector<float> scale(channels), slope(channels), shift(channels);
  for (int64_t c = 0; c < channels; ++c) {
    by_beta[c] = static_cast<float>(sums[c]);
    by_gamma[c] = static_cast<float>(sums[channels + c] * inverse[c]);
    scale[c] = gamma[c] * inverse[c];
    // In training, the statistics depend on the rows, too.
    const double share = training ? -scale[c] / static_cast<double>(count) : 0;
    slope[c] = static_cast<float>(share * inverse[c] * by_gamma[c]);
    shift[c] = static_cast<float>(share * by_beta[c] - slope[c] * mean[c]);
  }
  NormGradients(x, y, g, scale.data(), slope.data(), shift.data(), count, channels,
                to_rows.data_ptr<float>());
}

class NormRelu : public Function<NormRelu> {
 public:
  // `gammas` and `betas`: [levels, C]. `norms`: their running statistics, which training updates.
  // `counts`: rows of each level.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& gammas, const at::Tensor& betas,
                            std::vector<torch::nn::BatchNorm2d>* norms,
                            const std::vector<int64_t>& counts) {
    const variable_list all = {rows, at::empty_like(rows), gammas, at::empty_like(gammas),
                               at::empty_like(gammas)};
    int64_t row = 0;
    for (size_t level = 0; level < counts.size(); row += counts[level++]) {
      NormLevel(LevelOf(all, level, row, counts[level]), betas[static_cast<int64_t>(level)],
                *norms->at(level));
    }
    context->save_for_backward(all);
    context->saved_data["training"] = norms->front()->is_training();
    context->saved_data["counts"] = counts;
    return all[1];
  }

  static variable_list backward(AutogradContext* context, const variable_list& from) {
    const variable_list all = context->get_saved_variables();
    const at::Tensor gradients = from[0].contiguous();
    const std::vector<int64_t> counts = context->saved_data["counts"].toIntVector();
    const bool training = context->saved_data["training"].toBool();
    at::Tensor to_rows = at::empty_like(all[0]), to_gammas = at::empty_like(all[2]),
               to_betas = at::empty_like(all[2]);
    int64_t row = 0;
    for (size_t level = 0; level < counts.size(); row += counts[level++]) {
      const int64_t l = static_cast<int64_t>(level), count = counts[level];
      LevelGradients(LevelOf(all, level, row, count), gradients.narrow(0, row, count), training,
                     to_rows.narrow(0, row, count), to_gammas[l], to_betas[l]);
    }
    return {to_rows, to_gammas, to_betas, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor NormReluRows(const at::Tensor& rows, std::vector<torch::nn::BatchNorm2d>& norms,
                        const std::vector<LevelShape>& shapes) {
  std::vector<at::Tensor> gammas, betas;
  for (torch::nn::BatchNorm2d& norm : norms) {
    gammas.push_back(norm->weight);
    betas.push_back(norm->bias);
  }
  return NormRelu::apply(rows.contiguous(), at::stack(gammas), at::stack(betas), &norms,
                         RowCounts(shapes));
}

}  // namespace mgral::core
