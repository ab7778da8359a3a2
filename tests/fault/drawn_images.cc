#include "tests/fault/drawn_images.h"

#include <cstdio>
#include <random>

#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"

namespace mgral::test {
namespace {

constexpr int kWidth = 96, kHeight = 72;

domain::Box DrawShape(int shape, std::mt19937* random, cv::Mat* picture) {
  const auto below = [&](int limit) { return static_cast<int>((*random)() % limit); };
  domain::Box box;
  box.class_index = shape;
  box.width = box.height = 16 + below(12);
  box.x_min = below(kWidth - static_cast<int>(box.width));
  box.y_min = below(kHeight - static_cast<int>(box.height));
  const cv::Rect place(static_cast<int>(box.x_min), static_cast<int>(box.y_min),
                       static_cast<int>(box.width), static_cast<int>(box.height));
  if (shape == 0) {
    cv::circle(*picture, (place.tl() + place.br()) / 2, place.width / 2, cv::Scalar(40, 40, 220),
               cv::FILLED);
  } else {
    cv::rectangle(*picture, place, cv::Scalar(220, 120, 30), cv::FILLED);
  }
  return box;
}

}  // namespace

std::vector<DrawnImage> DrawImages(const std::string& folder, int count, int seed) {
  std::vector<DrawnImage> images;
  for (int i = 0; i < count; ++i) {
    std::mt19937 random(static_cast<unsigned>(seed * 1000 + i));
    cv::Mat picture(kHeight, kWidth, CV_8UC3);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < 3 * kWidth; ++x) picture.ptr(y)[x] = static_cast<uint8_t>(random() % 60);
    }
    DrawnImage image;
    char name[32];
    std::snprintf(name, sizeof(name), "image_%02d.jpg", i);
    image.name = name;
    const int shapes = 1 + static_cast<int>(random() % 3);
    for (int s = 0; s < shapes; ++s) {
      image.boxes.push_back(DrawShape(static_cast<int>(random() % 2), &random, &picture));
    }
    cv::imwrite(folder + "/" + name, picture);
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace mgral::test
