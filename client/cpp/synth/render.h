// Draws a scene and says where its objects can be seen.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <vector>

#include "client/cpp/synth/scene.h"

namespace mgral::client {

// Absolute pixels; inside of the picture, at least 4 pixels wide and high.
struct RenderedBox {
  SynthClass kind = kCrate;
  double x_min = 0;
  double y_min = 0;
  double width = 0;
  double height = 0;
};

struct Rendered {
  cv::Mat picture;  // size × size, 8-bit BGR
  // Of the objects of which enough can be seen, around their visible part.
  std::vector<RenderedBox> boxes;
};

// `noise_seed` drives the sensor noise only.
Rendered RenderScene(const Scene& scene, int size, uint64_t noise_seed);

}  // namespace mgral::client
