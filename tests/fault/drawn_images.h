#pragma once

#include <string>
#include <vector>

#include "server/domain/labels.h"

namespace mgral::test {

// A small picture of one to three filled shapes on a noisy ground: class 0 discs, class 1 squares.
struct DrawnImage {
  std::string name;  // "image_00.jpg"
  std::vector<domain::Box> boxes;
};

// Writes `count` JPEG files into `folder`; the same seed draws the same images.
std::vector<DrawnImage> DrawImages(const std::string& folder, int count, int seed);

}  // namespace mgral::test
