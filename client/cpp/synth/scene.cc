#include "client/cpp/synth/scene.h"

#include <algorithm>
#include <cmath>

#include "client/cpp/synth/seeded_random.h"

namespace mgral::client {
namespace {

// Of all pictures: members of a burst, and pictures with nothing in them.
constexpr double kBurstShare = 0.45;
constexpr double kEmptySingles = 0.10;
constexpr double kEmptyBursts = 0.22;
// The rarest classes are in at least this share of the pictures, so that they can be measured.
constexpr double kLeastClassShare = 0.03;

const Location& PickLocation(SeededRandom& random, int* index) {
  const std::vector<Location>& all = Locations();
  double left = random.Uniform();
  for (size_t i = 0; i < all.size(); ++i) {
    left -= all[i].share;
    if (left < 0 || i + 1 == all.size()) {
      *index = static_cast<int>(i);
      return all[i];
    }
  }
  return all.front();
}

// Places an object where it covers the others only in part. False if there is no room.
bool Place(SynthClass kind, SeededRandom& random, Scene* scene) {
  for (int attempt = 0; attempt < 24; ++attempt) {
    SceneObject object;
    object.kind = kind;
    object.radius = random.Uniform(0.095, 0.185);
    const double margin = 0.6 * object.radius;
    object.x = random.Uniform(margin, 1 - margin);
    object.y = random.Uniform(margin, 1 - margin);
    // Cones stand; the rest lies as it fell.
    object.angle = kind == kCone ? random.Uniform(-0.35, 0.35) : random.Uniform(-kPi, kPi);
    object.tone = random.Uniform();
    const bool clear = std::all_of(
        scene->objects.begin(), scene->objects.end(), [&object](const SceneObject& other) {
          const double distance = std::hypot(object.x - other.x, object.y - other.y);
          return distance > 0.78 * (object.radius + other.radius);
        });
    if (clear) {
      scene->objects.push_back(object);
      return true;
    }
  }
  return false;
}

void AddObjects(const Location& location, double rare_factor, SeededRandom& random, Scene* scene) {
  for (int kind = 0; kind < kSynthClasses; ++kind) {
    const double chance = location.presence[kind] * (kind >= kStar ? rare_factor : 1.0);
    if (!random.Chance(chance)) continue;
    const int count = kind <= kCone ? 1 + static_cast<int>(random.Index(3)) : 1;
    for (int i = 0; i < count; ++i) Place(static_cast<SynthClass>(kind), random, scene);
  }
  random.Shuffle(scene->objects);
}

Scene MakeScene(int index, const Location& location, bool empty, bool burst, SeededRandom& random) {
  Scene scene;
  scene.location = index;
  scene.texture_seed = random.Next();
  scene.pan_x = random.Uniform(0, 40);
  scene.pan_y = random.Uniform(0, 40);
  scene.light = location.light * random.Uniform(0.82, 1.15);
  scene.warmth = random.Uniform(-0.5, 0.5);
  scene.noise = random.Uniform(1.5, 5);
  const int distractors = static_cast<int>(random.Index(9));
  for (int i = 0; i < distractors; ++i) {
    scene.distractors.push_back({random.Uniform(), random.Uniform(), random.Uniform(0.015, 0.05),
                                 random.Uniform(-kPi, kPi), random.Uniform()});
  }
  if (!empty) {
    AddObjects(location, burst ? 0.5 : 1.0, random, &scene);
    if (scene.objects.empty()) Place(random.Chance(0.6) ? kCrate : kBall, random, &scene);
  }
  return scene;
}

// The next moment of a burst: the camera drifts, the light flickers, objects hardly move.
Scene NextMoment(const Scene& scene, double drift_x, double drift_y, SeededRandom& random) {
  Scene next = scene;
  const double dx = drift_x + random.Uniform(-0.006, 0.006);
  const double dy = drift_y + random.Uniform(-0.006, 0.006);
  next.pan_x += dx;
  next.pan_y += dy;
  next.light *= random.Uniform(0.95, 1.05);
  for (SceneObject& object : next.objects) {
    object.x = std::clamp(object.x - dx + random.Uniform(-0.004, 0.004), 0.02, 0.98);
    object.y = std::clamp(object.y - dy + random.Uniform(-0.004, 0.004), 0.02, 0.98);
    object.angle += random.Uniform(-0.03, 0.03);
  }
  for (Distractor& distractor : next.distractors) {
    distractor.x -= dx;
    distractor.y -= dy;
  }
  return next;
}

bool Contains(const Scene& scene, int kind) {
  return std::any_of(scene.objects.begin(), scene.objects.end(),
                     [kind](const SceneObject& object) { return object.kind == kind; });
}

// Adds a class to single pictures of places where it is known, until it is frequent enough.
void RaiseRareClass(SynthClass kind, const std::vector<bool>& single, SeededRandom& random,
                    std::vector<Frame>* frames) {
  const int wanted = std::max(1, static_cast<int>(std::lround(kLeastClassShare * frames->size())));
  int have = 0;
  for (const Frame& frame : *frames) have += Contains(frame.scene, kind);
  std::vector<size_t> order(frames->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  random.Shuffle(order);
  for (const bool at_home : {true, false}) {
    for (size_t i : order) {
      if (have >= wanted) return;
      Scene& scene = (*frames)[i].scene;
      const bool known = Locations()[scene.location].presence[kind] > 0;
      if (!single[i] || scene.objects.empty() || known != at_home || Contains(scene, kind))
        continue;
      have += Place(kind, random, &scene);
    }
  }
}

}  // namespace

const std::vector<std::string>& SynthClassNames() {
  static const std::vector<std::string> names = {"crate", "ball", "cone", "star", "ring", "gem"};
  return names;
}

const std::vector<Location>& Locations() {
  static const std::vector<Location> locations = {
      // name, ground, share, base, accent (BGR), light, {crate, ball, cone, star, ring, gem}
      {"yard", Ground::kSpeckle, .26, {112, 112, 114}, {86, 88, 92}, 1.0, {.75, .20, .40, 0, 0, 0}},
      {"meadow", Ground::kGrass, .20, {62, 128, 92}, {40, 92, 62}, 1.0, {.40, .70, .05, .06, 0, 0}},
      {"dock",
       Ground::kPlanks,
       .14,
       {96, 134, 168},
       {60, 92, 124},
       1.0,
       {.60, .15, .20, 0, .07, 0}},
      {"beach",
       Ground::kSpeckle,
       .12,
       {150, 196, 218},
       {118, 168, 196},
       1.1,
       {.10, .60, 0, .28, .04, 0}},
      {"plaza",
       Ground::kTiles,
       .10,
       {166, 172, 180},
       {132, 140, 150},
       1.05,
       {.30, .20, .60, .10, 0, .02}},
      {"pool", Ground::kWater, .07, {196, 160, 74}, {222, 196, 120}, 1.05, {0, .60, 0, 0, .28, 0}},
      {"night", Ground::kSpeckle, .07, {70, 56, 50}, {44, 36, 34}, .62, {.60, .10, .35, 0, 0, .12}},
      {"snow",
       Ground::kSpeckle,
       .04,
       {238, 232, 226},
       {222, 210, 200},
       1.0,
       {.25, .15, 0, .15, 0, .35}},
  };
  return locations;
}

std::vector<Frame> PlanFrames(int images, uint64_t seed) {
  SeededRandom random(seed, 1);
  std::vector<Frame> frames;
  std::vector<bool> single;
  int group = 0;
  int in_bursts = 0;
  while (static_cast<int>(frames.size()) < images) {
    int index = 0;
    const Location& location = PickLocation(random, &index);
    const bool burst = in_bursts < kBurstShare * static_cast<double>(frames.size() + 1);
    const bool empty = random.Chance(burst ? kEmptyBursts : kEmptySingles);
    const int left = images - static_cast<int>(frames.size());
    const int length = std::min(left, burst ? 4 + static_cast<int>(random.Index(5)) : 1);
    Scene scene = MakeScene(index, location, empty, burst, random);
    const std::string sequence =
        std::string(location.name) + "-" + std::to_string(1 + random.Index(3));
    const double drift_x = random.Uniform(-0.012, 0.012);
    const double drift_y = random.Uniform(-0.012, 0.012);
    ++group;
    for (int i = 0; i < length; ++i) {
      if (i > 0) scene = NextMoment(scene, drift_x, drift_y, random);
      frames.push_back({scene, sequence, group, random.Next()});
      single.push_back(length == 1);
    }
    if (burst) in_bursts += length;
  }
  for (int kind = kStar; kind < kSynthClasses; ++kind) {
    RaiseRareClass(static_cast<SynthClass>(kind), single, random, &frames);
  }
  return frames;
}

}  // namespace mgral::client
