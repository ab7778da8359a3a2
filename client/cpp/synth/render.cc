#include "client/cpp/synth/render.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "client/cpp/synth/seeded_random.h"
#include "client/cpp/synth/shapes.h"

namespace mgral::client {
namespace {

// Objects are drawn this many times larger, then averaged: smooth outlines.
constexpr int kOversampling = 2;
// Less than this of an object in sight: it isn't labeled, and isn't drawn either.
constexpr double kMinVisible = 0.45;
constexpr double kLightU = -0.6;
constexpr double kLightV = -0.8;

double Lattice(uint64_t seed, int x, int y) {
  const uint64_t key =
      seed ^ (static_cast<uint64_t>(static_cast<uint32_t>(x)) << 32) ^ static_cast<uint32_t>(y);
  return static_cast<double>(MixBits(key) >> 40) * 0x1.0p-24;
}

// Smooth random relief in [0, 1] with features of size 1.
double ValueNoise(uint64_t seed, double x, double y) {
  const int x0 = static_cast<int>(std::floor(x));
  const int y0 = static_cast<int>(std::floor(y));
  double fx = x - x0;
  double fy = y - y0;
  fx = fx * fx * (3 - 2 * fx);
  fy = fy * fy * (3 - 2 * fy);
  const double top = Lattice(seed, x0, y0) * (1 - fx) + Lattice(seed, x0 + 1, y0) * fx;
  const double low = Lattice(seed, x0, y0 + 1) * (1 - fx) + Lattice(seed, x0 + 1, y0 + 1) * fx;
  return top * (1 - fy) + low * fy;
}

double Relief(uint64_t seed, double x, double y, int octaves) {
  double sum = 0;
  double weight = 0.5;
  for (int i = 0; i < octaves; ++i) {
    sum += weight * ValueNoise(seed + i, x, y);
    x *= 2.03;
    y *= 2.03;
    weight *= 0.5;
  }
  return sum / (1 - std::pow(0.5, octaves));
}

// How much of the accent color the ground shows at (x, y), in picture sides.
double GroundTexture(Ground ground, uint64_t seed, double x, double y) {
  switch (ground) {
    case Ground::kGrass:
      return 0.55 * Relief(seed, 26 * x, 9 * y, 3) + 0.6 * Relief(seed + 9, 3 * x, 3 * y, 2) - 0.1;
    case Ground::kPlanks: {
      const double plank = x * 5;
      const double gap = std::abs(plank - std::round(plank));
      const double board = Lattice(seed, static_cast<int>(std::floor(plank + 0.0)), 0);
      const double grain = Relief(seed + 3, 40 * x, 4 * y, 3);
      return gap < 0.035 ? 1.9 : 0.45 * board + 0.55 * grain;
    }
    case Ground::kTiles: {
      const double tx = x * 4;
      const double ty = y * 4;
      const double joint = std::min(std::abs(tx - std::round(tx)), std::abs(ty - std::round(ty)));
      const double tile =
          Lattice(seed, static_cast<int>(std::floor(tx)), static_cast<int>(std::floor(ty)));
      return joint < 0.03 ? 1.6 : 0.5 * tile + 0.35 * Relief(seed + 5, 22 * x, 22 * y, 3);
    }
    case Ground::kWater: {
      const double warp = 2.2 * Relief(seed, 5 * x, 5 * y, 3);
      return std::pow(0.5 + 0.5 * std::sin(22 * (x + 0.6 * y) + 5 * warp), 3);
    }
    default:
      return 0.6 * Relief(seed, 4 * x, 4 * y, 3) + 0.5 * Relief(seed + 7, 60 * x, 60 * y, 2);
  }
}

cv::Mat DrawGround(const Scene& scene, int size) {
  const Location& location = Locations()[scene.location];
  cv::Mat ground(size, size, CV_32FC3);
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      const double x = scene.pan_x + static_cast<double>(column) / size;
      const double y = scene.pan_y + static_cast<double>(row) / size;
      const double t = GroundTexture(location.ground, scene.texture_seed, x, y);
      cv::Vec3f& pixel = ground.at<cv::Vec3f>(row, column);
      for (int k = 0; k < 3; ++k) {
        pixel[k] =
            static_cast<float>(location.base[k] + t * (location.accent[k] - location.base[k]));
      }
    }
  }
  return ground;
}

void DrawDistractors(const Scene& scene, cv::Mat* canvas) {
  for (const Distractor& item : scene.distractors) {
    const double side = canvas->cols;
    const cv::Point2f center(static_cast<float>(item.x * side), static_cast<float>(item.y * side));
    const cv::Size2f axes(static_cast<float>(2 * item.length * side),
                          static_cast<float>((0.5 + item.tone) * item.length * side));
    const cv::Scalar color(40 + 50 * item.tone, 80 + 40 * item.tone, 70 + 70 * item.tone);
    cv::ellipse(*canvas, cv::RotatedRect(center, axes, static_cast<float>(item.angle * 57.2958)),
                color, cv::FILLED, cv::LINE_AA);
  }
}

// Darkens the ground on the far side of the light.
void DrawShadow(const SceneObject& object, cv::Mat* canvas) {
  const double side = canvas->cols;
  const double radius = object.radius * side;
  const double cx = object.x * side - kLightU * 0.22 * radius;
  const double cy = object.y * side - kLightV * 0.22 * radius;
  const int reach = static_cast<int>(1.4 * radius);
  for (int row = std::max(0, static_cast<int>(cy) - reach);
       row < std::min(canvas->rows, static_cast<int>(cy) + reach + 1); ++row) {
    for (int column = std::max(0, static_cast<int>(cx) - reach);
         column < std::min(canvas->cols, static_cast<int>(cx) + reach + 1); ++column) {
      const double x = (column - cx) / radius;
      const double y = (row - cy) / radius;
      const double u = x * std::cos(object.angle) + y * std::sin(object.angle);
      const double v = -x * std::sin(object.angle) + y * std::cos(object.angle);
      const double depth = std::clamp(0.5 - ShapeDistance(object.kind, u, v) / 0.24, 0.0, 1.0);
      canvas->at<cv::Vec3f>(row, column) *= static_cast<float>(1 - 0.42 * depth);
    }
  }
}

// Draws the object and writes `id` where it is seen. Returns how many pixels it would fill if
// neither the frame's edge nor a later object cut it.
int DrawObject(const SceneObject& object, int id, cv::Mat* canvas, cv::Mat* owner) {
  const double side = canvas->cols;
  const double radius = object.radius * side;
  const double cx = object.x * side;
  const double cy = object.y * side;
  const double cosine = std::cos(object.angle);
  const double sine = std::sin(object.angle);
  const double light_u = kLightU * cosine + kLightV * sine;
  const double light_v = -kLightU * sine + kLightV * cosine;
  const int reach = static_cast<int>(1.1 * radius) + 2;
  int filled = 0;
  for (int row = static_cast<int>(cy) - reach; row <= static_cast<int>(cy) + reach; ++row) {
    for (int column = static_cast<int>(cx) - reach; column <= static_cast<int>(cx) + reach;
         ++column) {
      const double x = (column - cx) / radius;
      const double y = (row - cy) / radius;
      const double u = x * cosine + y * sine;
      const double v = -x * sine + y * cosine;
      const double alpha = std::clamp(0.5 - ShapeDistance(object.kind, u, v) * radius, 0.0, 1.0);
      if (alpha <= 0) continue;
      if (alpha > 0.5) ++filled;
      if (row < 0 || column < 0 || row >= canvas->rows || column >= canvas->cols) continue;
      const cv::Vec3d color = ShapeColor(object.kind, object.tone, u, v, light_u, light_v);
      cv::Vec3f& pixel = canvas->at<cv::Vec3f>(row, column);
      for (int k = 0; k < 3; ++k) {
        pixel[k] = static_cast<float>(pixel[k] * (1 - alpha) + color[k] * alpha);
      }
      if (alpha > 0.5) owner->at<int>(row, column) = id;
    }
  }
  return filled;
}

// Exposure, color cast, vignette and sensor noise.
cv::Mat Develop(const Scene& scene, const cv::Mat& canvas, uint64_t noise_seed) {
  cv::Mat picture(canvas.size(), CV_8UC3);
  SeededRandom random(noise_seed, 2);
  const double cast[3] = {1 - 0.12 * scene.warmth, 1.0, 1 + 0.12 * scene.warmth};
  for (int row = 0; row < canvas.rows; ++row) {
    for (int column = 0; column < canvas.cols; ++column) {
      const double x = 2.0 * column / canvas.cols - 1;
      const double y = 2.0 * row / canvas.rows - 1;
      const double vignette = 1 - 0.13 * (x * x + y * y);
      // Three uniform numbers make a good enough bell.
      const double grain =
          2 * (random.Uniform() + random.Uniform() + random.Uniform() - 1.5) * scene.noise;
      const cv::Vec3f& in = canvas.at<cv::Vec3f>(row, column);
      cv::Vec3b& out = picture.at<cv::Vec3b>(row, column);
      for (int k = 0; k < 3; ++k) {
        out[k] = cv::saturate_cast<uchar>(in[k] * scene.light * cast[k] * vignette + grain);
      }
    }
  }
  return picture;
}

std::vector<RenderedBox> VisibleBoxes(const std::vector<SceneObject>& objects,
                                      const std::vector<int>& filled, const cv::Mat& owner,
                                      std::vector<bool>* seen) {
  std::vector<cv::Rect> extent(objects.size());
  std::vector<int> visible(objects.size(), 0);
  for (int row = 0; row < owner.rows; ++row) {
    for (int column = 0; column < owner.cols; ++column) {
      const int id = owner.at<int>(row, column);
      if (id < 0) continue;
      ++visible[id];
      extent[id] |= cv::Rect(column, row, 1, 1);
    }
  }
  std::vector<RenderedBox> boxes;
  seen->assign(objects.size(), false);
  for (size_t i = 0; i < objects.size(); ++i) {
    RenderedBox box{objects[i].kind, extent[i].x / static_cast<double>(kOversampling),
                    extent[i].y / static_cast<double>(kOversampling),
                    extent[i].width / static_cast<double>(kOversampling),
                    extent[i].height / static_cast<double>(kOversampling)};
    if (visible[i] < kMinVisible * filled[i] || box.width < 4 || box.height < 4) continue;
    (*seen)[i] = true;
    boxes.push_back(box);
  }
  return boxes;
}

}  // namespace

Rendered RenderScene(const Scene& scene, int size, uint64_t noise_seed) {
  cv::Mat ground;
  cv::resize(DrawGround(scene, size), ground, cv::Size(), kOversampling, kOversampling,
             cv::INTER_LINEAR);
  DrawDistractors(scene, &ground);
  std::vector<SceneObject> objects = scene.objects;
  Rendered result;
  // An object that can hardly be seen is taken away and the rest drawn again, so that the labels
  // are complete.
  while (true) {
    cv::Mat canvas = ground.clone();
    cv::Mat owner(canvas.size(), CV_32S, cv::Scalar(-1));
    std::vector<int> filled;
    for (const SceneObject& object : objects) {
      DrawShadow(object, &canvas);
      filled.push_back(DrawObject(object, static_cast<int>(filled.size()), &canvas, &owner));
    }
    std::vector<bool> seen;
    result.boxes = VisibleBoxes(objects, filled, owner, &seen);
    if (result.boxes.size() == objects.size()) {
      cv::Mat small;
      cv::resize(canvas, small, cv::Size(size, size), 0, 0, cv::INTER_AREA);
      result.picture = Develop(scene, small, noise_seed);
      return result;
    }
    std::vector<SceneObject> kept;
    for (size_t i = 0; i < objects.size(); ++i) {
      if (seen[i]) kept.push_back(objects[i]);
    }
    objects = std::move(kept);
  }
}

}  // namespace mgral::client
