#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "server/core/bench/read_image.h"

namespace mgral::core {

at::Tensor ReadImage(const std::string& path, int longest_side) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int width = 0, height = 0, most = 0;
  file >> magic >> width >> height >> most;
  file.get();
  if (!file || magic != "P6" || most != 255 || width < 1 || height < 1) {
    throw std::runtime_error("not a binary PPM of 8 bits: " + path);
  }
  at::Tensor image = torch::empty({height, width, 3}, torch::kByte);
  file.read(reinterpret_cast<char*>(image.data_ptr()), image.numel());
  if (!file) throw std::runtime_error("truncated: " + path);
  image = image.permute({2, 0, 1}).contiguous();
  const double scale = static_cast<double>(longest_side) / std::max(width, height);
  if (scale >= 1) return image;
  const std::vector<int64_t> size = {std::llround(height * scale), std::llround(width * scale)};
  return at::adaptive_avg_pool2d(image.to(torch::kFloat), size).round().to(torch::kByte);
}

}  // namespace mgral::core
