// What is in a synthetic picture, before it is drawn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mgral::client {

inline constexpr double kPi = 3.14159265358979323846;

// From the most to the least frequent.
enum SynthClass { kCrate, kBall, kCone, kStar, kRing, kGem, kSynthClasses };

// "crate", "ball", "cone", "star", "ring", "gem".
const std::vector<std::string>& SynthClassNames();

enum class Ground { kSpeckle, kGrass, kPlanks, kTiles, kWater };

// A place where pictures are taken: its ground and what is usually found there.
struct Location {
  const char* name;
  Ground ground;
  double share;                    // of all pictures
  double base[3];                  // blue, green, red in 0..255
  double accent[3];                // the texture's other color
  double light;                    // 1 is daylight
  double presence[kSynthClasses];  // chance of each class in a picture that isn't empty
};

const std::vector<Location>& Locations();

// Lengths are fractions of the picture's side, y downwards.
struct SceneObject {
  SynthClass kind = kCrate;
  double x = 0.5;
  double y = 0.5;
  double radius = 0.1;
  double angle = 0;  // radians
  double tone = 0;   // 0..1, picks a color within the class
};

// Leaves and pebbles: never labeled.
struct Distractor {
  double x = 0;
  double y = 0;
  double length = 0.05;
  double angle = 0;
  double tone = 0;
};

struct Scene {
  int location = 0;
  uint64_t texture_seed = 0;
  double pan_x = 0;  // where the camera looks, in picture sides
  double pan_y = 0;
  double light = 1;
  double warmth = 0;                 // -1 bluish .. 1 reddish
  double noise = 4;                  // standard deviation, in gray levels
  std::vector<SceneObject> objects;  // later ones cover earlier ones
  std::vector<Distractor> distractors;
};

// A picture of the dataset: a scene and which burst it belongs to.
struct Frame {
  Scene scene;
  std::string sequence;    // the camera, e.g. "yard-2"
  int near_dup_group = 0;  // frames of one burst share it; other frames have their own
  uint64_t seed = 0;       // of the sensor noise
};

// Plans `images` frames, `images` >= 1. The same seed gives the same plan.
std::vector<Frame> PlanFrames(int images, uint64_t seed);

}  // namespace mgral::client
