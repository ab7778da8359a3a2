#include "server/core/geometry/roi_align.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace mgral::core {
namespace {

// A plane: bilinear interpolation is exact, and a cell's mean is the plane at its center.
at::Tensor Plane(int64_t height, int64_t width) {
  return (at::arange(height).to(at::kFloat).view({height, 1}) * 10 +
          at::arange(width).to(at::kFloat).view({1, width}))
      .view({1, 1, height, width});
}

TEST(RoiAlign, CellsOfAPlaneAreItsValuesAtTheirCenters) {
  // In positions: x from 1 to 5, y from 2 to 4; two cells of 2 x 1 along each side.
  const at::Tensor boxes = at::tensor({8.f, 16.f, 40.f, 32.f}).view({1, 4});
  const at::Tensor cells = RoiAlign(Plane(8, 8), boxes, 1.0 / 8, 2);
  ASSERT_EQ(cells.sizes(), (at::IntArrayRef{1, 1, 2, 2}));
  const at::Tensor expected = at::tensor({27.f, 29.f, 37.f, 39.f}).view({1, 1, 2, 2});
  EXPECT_TRUE(at::allclose(cells, expected, 1e-5, 1e-4)) << cells;
}

TEST(RoiAlign, ASmallBoxIsTakenAsOnePosition) {
  const at::Tensor boxes = at::tensor({16.f, 16.f, 18.f, 17.f}).view({1, 4});
  const at::Tensor cells = RoiAlign(Plane(8, 8), boxes, 1.0 / 8, 1);
  EXPECT_NEAR(cells.item<float>(), 27.5, 1e-4);  // y 2 to 3, x 2 to 3
}

TEST(RoiAlign, BoxesGoToTheLevelOfTheirSize) {
  std::vector<at::Tensor> levels;
  for (int64_t l = 0; l < 4; ++l) {
    levels.push_back(at::full({2, 1, 256 >> l, 256 >> l}, static_cast<float>(l + 2)));
  }
  const at::Tensor first =
      at::tensor({0.f, 0.f, 224.f, 224.f, 0.f, 0.f, 223.f, 223.f}).view({2, 4});
  const at::Tensor second = at::tensor({0.f, 0.f, 900.f, 900.f, 5.f, 5.f, 9.f, 9.f}).view({2, 4});
  const at::Tensor cells = MultiscaleRoiAlign(levels, {first, second}, 1).view({-1});
  EXPECT_TRUE(at::equal(cells, at::tensor({4.f, 3.f, 5.f, 2.f}))) << cells;
}

}  // namespace
}  // namespace mgral::core
