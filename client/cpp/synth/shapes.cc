#include "client/cpp/synth/shapes.h"

#include <algorithm>
#include <cmath>

namespace mgral::client {
namespace {

cv::Vec3d Blend(const cv::Vec3d& a, const cv::Vec3d& b, double t) {
  t = std::clamp(t, 0.0, 1.0);
  return a * (1 - t) + b * t;
}

double Smooth(double low, double high, double x) {
  const double t = std::clamp((x - low) / (high - low), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

// A regular polygon with `corners` corners at distance 1.
double PolygonDistance(int corners, double u, double v) {
  const double sector = 2 * kPi / corners;
  const double angle = std::atan2(v, u) + kPi / 2;
  const double folded = std::remainder(angle - sector / 2, sector);
  return std::hypot(u, v) * std::cos(folded) - std::cos(kPi / corners);
}

double BoxDistance(double u, double v, double half, double round) {
  const double du = std::abs(u) - half + round;
  const double dv = std::abs(v) - half + round;
  return std::hypot(std::max(du, 0.0), std::max(dv, 0.0)) + std::min(std::max(du, dv), 0.0) - round;
}

// A five-pointed star with its points at distance 1 and its notches at 0.48.
double StarDistance(double u, double v) {
  const double sector = 2 * kPi / 5;
  const double angle = std::abs(std::remainder(std::atan2(v, u) + kPi / 2, sector));
  const double radius = std::hypot(u, v);
  const double x = radius * std::cos(angle);
  const double y = radius * std::sin(angle);
  // The edge from the point (1, 0) to the notch.
  const double nx = 0.48 * std::cos(sector / 2);
  const double ny = 0.48 * std::sin(sector / 2);
  const double length = std::hypot(1 - nx, ny);
  return ((x - 1) * ny + y * (1 - nx)) / length;
}

double ConeDistance(double u, double v) {
  const double side = std::abs(u) * 0.94 - (v - 0.62) * 0.34 - 0.56 * 0.94;
  const double body = std::max({side, v - 0.66, -0.9 - v});
  const double foot = std::max(std::abs(u) - 0.86, std::abs(v - 0.76) - 0.14);
  return std::min(body, foot);
}

cv::Vec3d CrateColor(double tone, double u, double v) {
  const cv::Vec3d wood = Blend({58, 120, 186}, {40, 84, 140}, tone);
  const double plank = std::abs(std::remainder(v, 0.42)) / 0.21;
  cv::Vec3d color = Blend(wood * 0.62, wood, Smooth(0.0, 0.18, 1 - plank));
  color *= 0.94 + 0.06 * std::sin(19 * u + 5 * std::sin(7 * v));
  const bool brace = std::abs(u - v) < 0.16 || std::max(std::abs(u), std::abs(v)) > 0.60;
  if (brace) color = Blend(wood, {150, 196, 230}, 0.45);
  const double edge = std::min(std::abs(std::abs(u - v) - 0.16),
                               std::abs(std::max(std::abs(u), std::abs(v)) - 0.60));
  return color * (0.55 + 0.45 * Smooth(0.0, 0.06, edge));
}

cv::Vec3d BallColor(double tone, double u, double v) {
  const cv::Vec3d paint[3] = {{60, 60, 220}, {200, 110, 40}, {60, 160, 60}};
  const double sector = (std::atan2(v, u) + kPi) / (kPi / 3);
  const bool white = static_cast<int>(std::floor(sector)) % 2 == 0;
  if (std::hypot(u, v) < 0.2) return {235, 238, 240};
  return white ? cv::Vec3d(232, 236, 240) : paint[std::min(2, static_cast<int>(tone * 3))];
}

cv::Vec3d GemColor(double tone, double u, double v, double light_u, double light_v) {
  const cv::Vec3d base = Blend({208, 186, 40}, {190, 60, 170}, tone);
  const double sector = kPi / 3;
  const double facet = (std::floor((std::atan2(v, u) + kPi / 2) / sector) + 0.5) * sector - kPi / 2;
  const double facing = std::cos(facet) * light_u + std::sin(facet) * light_v;
  const bool table = PolygonDistance(6, u / 0.55, v / 0.55) < 0;
  if (table) return Blend(base, {255, 255, 255}, 0.42 + 0.25 * (u * light_u + v * light_v));
  return facing > 0 ? Blend(base, {255, 255, 255}, 0.45 * facing) : base * (1 + 0.6 * facing);
}

}  // namespace

double ShapeDistance(SynthClass kind, double u, double v) {
  switch (kind) {
    case kCrate:
      return BoxDistance(u, v, 0.82, 0.08);
    case kBall:
      return std::hypot(u, v) - 0.92;
    case kCone:
      return ConeDistance(u, v);
    case kStar:
      return StarDistance(u, v);
    case kRing:
      return std::abs(std::hypot(u, v) - 0.70) - 0.26;
    default:
      return PolygonDistance(6, u, v);
  }
}

cv::Vec3d ShapeColor(SynthClass kind, double tone, double u, double v, double light_u,
                     double light_v) {
  const double toward = u * light_u + v * light_v;
  switch (kind) {
    case kCrate:
      return CrateColor(tone, u, v) * (1 + 0.12 * toward);
    case kBall: {
      const double height = std::sqrt(std::max(0.0, 1 - u * u - v * v));
      const double shade = 0.55 + 0.45 * std::max(0.0, 0.6 * height + 0.7 * toward + 0.2);
      const double shine = Smooth(0.80, 1.0, 0.74 * height + 0.67 * toward);
      return Blend(BallColor(tone, u, v) * shade, {255, 255, 255}, 0.8 * shine);
    }
    case kCone: {
      const bool stripe = (v > -0.42 && v < -0.08) || (v > 0.22 && v < 0.46);
      const cv::Vec3d orange = Blend({20, 96, 240}, {30, 70, 226}, tone);
      const cv::Vec3d color = stripe ? cv::Vec3d(236, 238, 240) : orange;
      return v > 0.62 ? orange * 0.68 : color * (0.82 + 0.35 * u * light_u);
    }
    case kStar: {
      // Ten facets: each point of the star is a ridge.
      const double fold = std::remainder(std::atan2(v, u) + kPi / 2, 2 * kPi / 5);
      const cv::Vec3d gold = Blend({40, 200, 250}, {60, 160, 235}, tone);
      return gold * ((fold > 0 ? 1.05 : 0.72) + 0.10 * toward);
    }
    case kRing: {
      const double bulge = (std::hypot(u, v) - 0.70) / 0.26;
      const double sector = (std::atan2(v, u) + kPi) / (kPi / 4);
      const bool red = static_cast<int>(std::floor(sector)) % 2 == 0;
      const cv::Vec3d paint = Blend({48, 40, 208}, {40, 90, 235}, tone);
      const cv::Vec3d color = red ? paint : cv::Vec3d(240, 242, 244);
      const double slope = std::hypot(u, v) > 0 ? toward / std::hypot(u, v) * bulge : 0;
      return color * std::clamp(0.86 - 0.14 * bulge * bulge + 0.28 * slope, 0.4, 1.1);
    }
    default:
      return GemColor(tone, u, v, light_u, light_v);
  }
}

}  // namespace mgral::client
