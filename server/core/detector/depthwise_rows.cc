#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <stdexcept>

#include "server/core/detector/level_rows.h"
#include "server/core/target_clones.h"

namespace mgral::core {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t kTaps = 9;

// Channels in a vector, which need not be aligned. Without AVX, the compiler splits it.
constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
Lanes& At(float* channels) { return *reinterpret_cast<Lanes*>(channels); }
const Lanes& At(const float* channels) { return *reinterpret_cast<const Lanes*>(channels); }

// A map [height, width, C] with zeros around it: [height + 2, width + 2, C].
class PaddedMap {
 public:
  const float* Fill(const float* map, const LevelShape& shape, int64_t channels) {
    const int64_t line = shape.width * channels, padded_line = line + 2 * channels;
    if (shape.height != height_ || shape.width != width_) {
      values_.assign((shape.height + 2) * padded_line, 0.0F);
      height_ = shape.height;
      width_ = shape.width;
    }
    for (int64_t y = 0; y < shape.height; ++y) {
      std::copy_n(map + y * line, line, values_.data() + (y + 1) * padded_line + channels);
    }
    return values_.data();
  }

 private:
  std::vector<float> values_;
  int64_t height_ = 0, width_ = 0;
};

// `weights`: [9, C]. All maps' C is a multiple of kLanes.
MGRAL_TARGET_CLONES void Convolve(const float* padded, const float* weights, int64_t height,
                                  int64_t width, int64_t channels, float* out) {
  const int64_t line = (width + 2) * channels;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t c = 0; c < channels; c += kLanes) {
      Lanes weight[kTaps];
      for (int64_t t = 0; t < kTaps; ++t) weight[t] = At(weights + t * channels + c);
      const float* in = padded + y * line + c;
      float* to = out + y * width * channels + c;
      for (int64_t x = 0; x < width; ++x, in += channels, to += channels) {
        const float *below = in + line, *last = below + line;
        At(to) = At(in) * weight[0] + At(in + channels) * weight[1] +
                 At(in + 2 * channels) * weight[2] + At(below) * weight[3] +
                 At(below + channels) * weight[4] + At(below + 2 * channels) * weight[5] +
                 At(last) * weight[6] + At(last + channels) * weight[7] +
                 At(last + 2 * channels) * weight[8];
      }
    }
  }
}

// Adds to `sums` [9, C] the gradients of Convolve's weights, from those of its output.
MGRAL_TARGET_CLONES void AddWeightGradients(const float* padded, const float* gradients,
                                            int64_t height, int64_t width, int64_t channels,
                                            float* sums) {
  const int64_t line = (width + 2) * channels;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t c = 0; c < channels; c += kLanes) {
      Lanes sum[kTaps];
      for (int64_t t = 0; t < kTaps; ++t) sum[t] = At(sums + t * channels + c);
      const float *in = padded + y * line + c, *from = gradients + y * width * channels + c;
      for (int64_t x = 0; x < width; ++x, in += channels, from += channels) {
        const float *below = in + line, *last = below + line;
        const Lanes g = At(from);
        sum[0] += At(in) * g;
        sum[1] += At(in + channels) * g;
        sum[2] += At(in + 2 * channels) * g;
        sum[3] += At(below) * g;
        sum[4] += At(below + channels) * g;
        sum[5] += At(below + 2 * channels) * g;
        sum[6] += At(last) * g;
        sum[7] += At(last + channels) * g;
        sum[8] += At(last + 2 * channels) * g;
      }
      for (int64_t t = 0; t < kTaps; ++t) At(sums + t * channels + c) = sum[t];
    }
  }
}

// Calls f(shape, first row) for every image of every level.
template <typename F>
void ForEachMap(const std::vector<LevelShape>& shapes, const F& f) {
  int64_t row = 0;
  for (const LevelShape& shape : shapes) {
    for (int64_t i = 0; i < shape.images; ++i, row += shape.height * shape.width) f(shape, row);
  }
}

std::vector<int64_t> Flat(const std::vector<LevelShape>& shapes) {
  std::vector<int64_t> flat;
  for (const LevelShape& s : shapes) flat.insert(flat.end(), {s.images, s.height, s.width});
  return flat;
}

std::vector<LevelShape> Unflat(const std::vector<int64_t>& flat) {
  std::vector<LevelShape> shapes;
  for (size_t i = 0; i + 2 < flat.size(); i += 3) {
    shapes.push_back({flat[i], flat[i + 1], flat[i + 2]});
  }
  return shapes;
}

at::Tensor ConvolveRows(const at::Tensor& rows, const at::Tensor& weights,
                        const std::vector<LevelShape>& shapes) {
  const int64_t channels = rows.size(1);
  at::Tensor out = at::empty_like(rows);
  const float* in = rows.data_ptr<float>();
  PaddedMap padded;
  ForEachMap(shapes, [&](const LevelShape& shape, int64_t row) {
    Convolve(padded.Fill(in + row * channels, shape, channels), weights.data_ptr<float>(),
             shape.height, shape.width, channels, out.data_ptr<float>() + row * channels);
  });
  return out;
}

class Depthwise : public Function<Depthwise> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& weight, const std::vector<int64_t>& flat) {
    const at::Tensor weights = weight.reshape({rows.size(1), kTaps}).t().contiguous();
    context->save_for_backward({rows, weights});
    context->saved_data["shapes"] = flat;
    return ConvolveRows(rows, weights, Unflat(flat));
  }

  static variable_list backward(AutogradContext* context, const variable_list& from) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &weights = saved[1], gradients = from[0].contiguous();
    const int64_t channels = rows.size(1);
    const std::vector<LevelShape> shapes = Unflat(context->saved_data["shapes"].toIntVector());
    at::Tensor sums = at::zeros_like(weights);
    PaddedMap padded;
    ForEachMap(shapes, [&](const LevelShape& shape, int64_t row) {
      const float* map = rows.data_ptr<float>() + row * channels;
      AddWeightGradients(padded.Fill(map, shape, channels),
                         gradients.data_ptr<float>() + row * channels, shape.height, shape.width,
                         channels, sums.data_ptr<float>());
    });
    return {ConvolveRows(gradients, weights.flip(0).contiguous(), shapes),
            sums.t().reshape({channels, 1, 3, 3}), at::Tensor()};
  }
};

}  // namespace

bool FitsRows(int64_t channels) { return channels % kLanes == 0; }

at::Tensor DepthwiseRows(const at::Tensor& rows, const at::Tensor& weight,
                         const std::vector<LevelShape>& shapes) {
  if (!FitsRows(rows.size(1))) {
    throw std::invalid_argument("rows: the number of channels is not a multiple of 8");
  }
  return Depthwise::apply(rows.contiguous(), weight, Flat(shapes));
}

}  // namespace mgral::core
