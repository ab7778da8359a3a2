#include "server/core/detector/level_rows.h"

#include <ATen/ATen.h>

namespace mgral::core {

std::vector<LevelShape> ShapesOf(const std::vector<at::Tensor>& levels) {
  std::vector<LevelShape> shapes;
  for (const at::Tensor& level : levels) {
    shapes.push_back({level.size(0), level.size(2), level.size(3)});
  }
  return shapes;
}

at::Tensor ToRows(const std::vector<at::Tensor>& levels) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& level : levels) {
    rows.push_back(level.permute({0, 2, 3, 1}).reshape({-1, level.size(1)}));
  }
  return rows.size() == 1 ? rows[0] : at::cat(rows);
}

at::Tensor ToMap(const at::Tensor& rows, const LevelShape& shape) {
  return rows.view({shape.images, shape.height, shape.width, -1}).permute({0, 3, 1, 2});
}

std::vector<int64_t> RowCounts(const std::vector<LevelShape>& shapes) {
  std::vector<int64_t> counts;
  for (const LevelShape& shape : shapes) counts.push_back(shape.rows());
  return counts;
}

at::Tensor PointwiseRows(const at::Tensor& rows, const torch::nn::Conv2dImpl& conv) {
  return at::linear(rows, conv.weight.flatten(1), conv.bias);
}

}  // namespace mgral::core
