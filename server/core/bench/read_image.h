#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace mgral::core {

// A photograph, uint8 [3, H, W], RGB, reduced so that its longest side is at most `longest_side`.
// Throws std::runtime_error naming the path. With OpenCV it reads what OpenCV reads; where core is
// built alone, binary PPM.
at::Tensor ReadImage(const std::string& path, int longest_side);

}  // namespace mgral::core
