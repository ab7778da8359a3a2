#include <torch/torch.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

#include "server/core/bench/read_image.h"

namespace mgral::core {

at::Tensor ReadImage(const std::string& path, int longest_side) {
  cv::Mat image = cv::imread(path, cv::IMREAD_COLOR);
  if (image.empty()) throw std::runtime_error("cannot read " + path);
  const double scale = static_cast<double>(longest_side) / std::max(image.rows, image.cols);
  if (scale < 1) cv::resize(image, image, {}, scale, scale, cv::INTER_AREA);
  cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  return torch::from_blob(image.data, {image.rows, image.cols, 3}, torch::kByte)
      .permute({2, 0, 1})
      .contiguous();
}

}  // namespace mgral::core
