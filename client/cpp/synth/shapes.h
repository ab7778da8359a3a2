// The six kinds of objects, as a distance function and a color each.
#pragma once

#include <opencv2/core.hpp>

#include "client/cpp/synth/scene.h"

namespace mgral::client {

// Signed distance of (u, v) to the object's outline, negative inside. The object's radius is 1,
// u to its right, v downwards.
double ShapeDistance(SynthClass kind, double u, double v);

// Blue, green, red in 0..255 at (u, v). (light_u, light_v) is the unit vector toward the light,
// in the object's own axes.
cv::Vec3d ShapeColor(SynthClass kind, double tone, double u, double v, double light_u,
                     double light_v);

}  // namespace mgral::client
