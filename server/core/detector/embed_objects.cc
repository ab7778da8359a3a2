#include "server/core/detector/embed_objects.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "server/core/detector/signals.h"
#include "server/core/geometry/roi_align.h"

namespace mgral::core {
namespace {

constexpr double kPositionsAcross = 4;  // of a box on its level

// [n, 4], in positions of a level.
at::Tensor ToPositions(const std::vector<BoxF>& boxes, const std::vector<int64_t>& rows,
                       double stride) {
  at::Tensor out = at::empty({static_cast<int64_t>(rows.size()), 4}, at::kFloat);
  float* to = out.data_ptr<float>();
  for (const int64_t row : rows) {
    for (const float value :
         {boxes[row].x_min, boxes[row].y_min, boxes[row].x_max, boxes[row].y_max}) {
      *to++ = static_cast<float>(value / stride);
    }
  }
  return out;
}

// The level on which a box is nearest to kPositionsAcross wide.
size_t LevelOf(const BoxF& box, const std::vector<double>& strides) {
  const double side = std::sqrt(std::max(1.0, static_cast<double>(Area(box))));
  size_t best = 0;
  double least = INFINITY;
  for (size_t l = 0; l < strides.size(); ++l) {
    const double octaves = std::abs(std::log2(side / (kPositionsAcross * strides[l])));
    if (octaves < least) {
      least = octaves;
      best = l;
    }
  }
  return best;
}

void WriteDirection(const float* values, int64_t dim, int8_t* out) {
  float largest = 0;
  for (int64_t j = 0; j < dim; ++j) largest = std::max(largest, std::abs(values[j]));
  for (int64_t j = 0; j < dim; ++j) {
    out[j] = largest > 0 ? static_cast<int8_t>(std::lround(127 * values[j] / largest)) : 0;
  }
}

}  // namespace

ObjectEmbedder::ObjectEmbedder(const std::vector<int64_t>& channels) {
  for (const int64_t count : channels) dim_ = std::max(dim_, std::min(count, kMaxObjectEmbedding));
  for (const int64_t count : channels) projections_.push_back(EmbeddingProjection(count, dim_));
}

std::vector<int8_t> ObjectEmbedder::Embed(const std::vector<at::Tensor>& levels,
                                          const std::vector<double>& strides, int64_t image,
                                          const std::vector<BoxF>& boxes) const {
  std::vector<int8_t> out(boxes.size() * dim_, 0);
  for (size_t l = 0; l < levels.size(); ++l) {
    std::vector<int64_t> rows;
    for (size_t b = 0; b < boxes.size(); ++b) {
      if (LevelOf(boxes[b], strides) == l) rows.push_back(static_cast<int64_t>(b));
    }
    if (rows.empty()) continue;
    const at::Tensor level = levels[l].slice(0, image, image + 1);
    const at::Tensor positions = ToPositions(boxes, rows, strides[l]).to(level.options());
    const at::Tensor features =
        RoiAlign(level, positions, 1, 1).flatten(1).to(at::kCPU, at::kFloat);
    const at::Tensor embeddings = ToEmbeddings(features, projections_[l]);
    const int64_t dim = embeddings.size(1);
    for (size_t r = 0; r < rows.size(); ++r) {
      WriteDirection(embeddings.data_ptr<float>() + r * dim, dim, &out[rows[r] * dim_]);
    }
  }
  return out;
}

}  // namespace mgral::core
