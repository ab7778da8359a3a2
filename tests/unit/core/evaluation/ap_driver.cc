// Average precision of cases read from standard input, for tests in Python. Everything is numbers
// between white space:
//
//   cases, then for each case
//     classes images
//     per image: truth boxes, detections; x_min y_min x_max y_max label ignore crowd of each truth
//       box; x_min y_min x_max y_max label score of each detection
//     settings; of each: iou_threshold matching interpolation inclusive max_detections min_area
//       max_area, the enumerators by number
//
// Answers per case and setting with a line per class: ap positives detections true_positives; then
// with a line per class of MeasureAccuracy's class_ap50 class_ap50_11_point class_ap, and one of
// its means.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "server/core/evaluation/average_precision.h"

namespace mgral::core {
namespace {

template <typename Number>
Number Read() {
  Number value{};
  if (!(std::cin >> value)) throw std::runtime_error("the input ends early or is no number");
  return value;
}

template <typename Box>
Box ReadCorners() {
  Box box;
  box.x_min = Read<double>();
  box.y_min = Read<double>();
  box.x_max = Read<double>();
  box.y_max = Read<double>();
  box.label = Read<int32_t>();
  return box;
}

ImageResult ReadImage() {
  ImageResult image;
  const auto truths = Read<size_t>();
  const auto detections = Read<size_t>();
  for (size_t i = 0; i < truths; ++i) {
    auto box = ReadCorners<TruthBox>();
    box.ignore = Read<int>() != 0;
    box.crowd = Read<int>() != 0;
    image.truth.push_back(box);
  }
  for (size_t i = 0; i < detections; ++i) {
    auto box = ReadCorners<ScoredBox>();
    box.score = Read<double>();
    image.found.push_back(box);
  }
  return image;
}

ApOptions ReadSetting() {
  ApOptions options;
  options.iou_threshold = Read<double>();
  options.matching = static_cast<Matching>(Read<int>());
  options.interpolation = static_cast<Interpolation>(Read<int>());
  options.inclusive = Read<int>() != 0;
  options.max_detections = Read<int64_t>();
  options.area.min = Read<double>();
  options.area.max = Read<double>();
  return options;
}

void AnswerCase() {
  const auto classes = Read<int64_t>();
  std::vector<ImageResult> images(Read<size_t>());
  for (ImageResult& image : images) image = ReadImage();
  for (auto settings = Read<size_t>(); settings > 0; --settings) {
    for (const ClassAp& c : AveragePrecision(images, classes, ReadSetting())) {
      std::printf("%.17g %lld %lld %lld\n", c.ap, static_cast<long long>(c.positives),
                  static_cast<long long>(c.detections), static_cast<long long>(c.true_positives));
    }
  }
  const Accuracy accuracy = MeasureAccuracy(images, classes);
  for (int64_t c = 0; c < classes; ++c) {
    std::printf("%.17g %.17g %.17g\n", accuracy.class_ap50[c], accuracy.class_ap50_11_point[c],
                accuracy.class_ap[c]);
  }
  std::printf("%.17g %.17g %.17g\n", accuracy.map50, accuracy.map50_11_point, accuracy.map);
}

}  // namespace
}  // namespace mgral::core

int main() {
  std::ios::sync_with_stdio(false);
  try {
    for (auto cases = mgral::core::Read<size_t>(); cases > 0; --cases) mgral::core::AnswerCase();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
