#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "server/core/selector/pool_objects.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

// As in the paper: how fast a class's weight rises with its difficulty, how much a class of
// difficulty 1 weighs more than one of 0, and the uncertain images per image of a batch.
constexpr double kDifficultyAlpha = 0.3, kDifficultyBeta = 0.2;
constexpr int64_t kUncertainPerImage = 4;
constexpr int kMedoidRounds = 100;
// Of a larger batch, selected in several rounds: the work of one is quadratic.
constexpr int64_t kMostPerRound = 500;
constexpr float kFarthest = 2;  // cosine distance of opposite directions, or of other classes

// Each image's uncertainty: the entropies of its scores, weighted by the difficulty of the class.
std::vector<double> CalibratedUncertainty(const RankInput& input) {
  if (static_cast<int64_t>(input.class_ap.size()) != input.candidates.classes) {
    throw std::invalid_argument("class_ap: wants one value per class");
  }
  const double gamma = std::exp(1 / kDifficultyAlpha) - 1;
  std::vector<double> weight;
  for (const double ap : input.class_ap) {
    if (!(ap >= 0 && ap <= 1)) throw std::invalid_argument("class_ap: must lie in [0, 1]");
    weight.push_back(1 + kDifficultyAlpha * kDifficultyBeta * std::log(1 + gamma * (1 - ap)));
  }
  std::vector<double> sums;
  for (const std::vector<ScoredBox>& boxes : input.predictions) {
    double sum = 0;
    for (const ScoredBox& box : boxes) {
      const double p = std::clamp(box.score, 1e-6, 1 - 1e-6);
      sum -= weight[box.label] * (p * std::log(p) + (1 - p) * std::log(1 - p));
    }
    sums.push_back(sum);
  }
  return sums;
}

// An image with what is compared of it.
struct ObjectsOfImage {
  int64_t image = 0;
  std::vector<PoolObjects::Object> objects;
  std::vector<float> embeddings;  // [objects, dim]
};

ObjectsOfImage Describe(const PoolObjects& pool, int64_t image) {
  ObjectsOfImage out;
  out.image = image;
  out.embeddings.resize(pool.Count(image) * pool.dim());
  for (int64_t k = 0; k < pool.Count(image); ++k) {
    out.objects.push_back(pool.At(image, k));
    pool.Embedding(image, k, &out.embeddings[k * pool.dim()]);
  }
  return out;
}

// The mean over a's objects, weighted by their scores, of the cosine distance to the nearest object
// of the same class in b. NaN where a has none.
float OneWayDistance(const ObjectsOfImage& a, const ObjectsOfImage& b, int64_t dim) {
  float sum = 0, weights = 0;
  for (size_t i = 0; i < a.objects.size(); ++i) {
    float nearest = kFarthest;
    for (size_t j = 0; j < b.objects.size(); ++j) {
      if (b.objects[j].label != a.objects[i].label) continue;
      float cosine = 0;
      for (int64_t k = 0; k < dim; ++k) {
        cosine += a.embeddings[i * dim + k] * b.embeddings[j * dim + k];
      }
      nearest = std::min(nearest, std::max(0.0f, 1 - cosine));
    }
    sum += a.objects[i].score * nearest;
    weights += a.objects[i].score;
  }
  return sum / weights;
}

// Category-conditioned matching: 0 for the same objects, 2 where no class is common. An image
// without objects is 0 from another such, 2 from the others.
float MatchingDistance(const ObjectsOfImage& a, const ObjectsOfImage& b, int64_t dim) {
  const float forth = OneWayDistance(a, b, dim), back = OneWayDistance(b, a, dim);
  if (std::isnan(forth) || std::isnan(back)) {
    return std::isnan(forth) == std::isnan(back) ? 0 : kFarthest;
  }
  return (forth + back) / 2;
}

// Distances within a round, [size, size].
struct RoundDistances {
  int64_t size = 0;
  std::vector<float> values;
  float At(int64_t a, int64_t b) const { return values[a * size + b]; }
};

RoundDistances AllDistances(const std::vector<ObjectsOfImage>& images, int64_t dim) {
  RoundDistances out;
  out.size = static_cast<int64_t>(images.size());
  out.values.resize(out.size * out.size, 0.0f);
  for (int64_t a = 0; a < out.size; ++a) {
    for (int64_t b = 0; b < a; ++b) {
      const float distance = MatchingDistance(images[a], images[b], dim);
      out.values[a * out.size + b] = out.values[b * out.size + a] = distance;
    }
  }
  return out;
}

// `n` images, each the farthest from those before it and from what is taken; the first of them, who
// is the most uncertain, on ties. `taken`: [size] distance to what is taken.
std::vector<int64_t> FarthestFirst(const RoundDistances& distances, std::vector<float> taken,
                                   int64_t n) {
  std::vector<int64_t> centers;
  std::vector<bool> is_center(distances.size, false);
  while (static_cast<int64_t>(centers.size()) < n) {
    int64_t farthest = -1;
    for (int64_t i = 0; i < distances.size; ++i) {
      if (!is_center[i] && (farthest < 0 || taken[i] > taken[farthest])) farthest = i;
    }
    centers.push_back(farthest);
    is_center[farthest] = true;
    for (int64_t i = 0; i < distances.size; ++i) {
      taken[i] = std::min(taken[i], distances.At(i, farthest));
    }
  }
  return centers;
}

// Which center each image is nearest to, by its place in the list; -1 where something taken is
// nearer. A center is its own.
std::vector<int64_t> NearestCenters(const RoundDistances& distances,
                                    const std::vector<float>& taken,
                                    const std::vector<int64_t>& centers) {
  std::vector<int64_t> nearest(distances.size, -1);
  for (int64_t i = 0; i < distances.size; ++i) {
    float least = taken[i];
    for (size_t c = 0; c < centers.size(); ++c) {
      const float distance = distances.At(i, centers[c]);
      if (distance > least || (distance == least && nearest[i] >= 0)) continue;
      least = distance;
      nearest[i] = static_cast<int64_t>(c);
    }
  }
  for (size_t c = 0; c < centers.size(); ++c) nearest[centers[c]] = static_cast<int64_t>(c);
  return nearest;
}

// k-medoids from FarthestFirst: each center becomes the member of its cluster that is nearest to
// the others, until nothing changes.
std::vector<int64_t> Medoids(const RoundDistances& distances, const std::vector<float>& taken,
                             int64_t n) {
  std::vector<int64_t> centers = FarthestFirst(distances, taken, n);
  for (int round = 0; round < kMedoidRounds; ++round) {
    std::vector<std::vector<int64_t>> members(centers.size());
    const std::vector<int64_t> nearest = NearestCenters(distances, taken, centers);
    for (int64_t i = 0; i < distances.size; ++i) {
      if (nearest[i] >= 0) members[nearest[i]].push_back(i);
    }
    bool changed = false;
    for (size_t c = 0; c < centers.size(); ++c) {
      double least = std::numeric_limits<double>::infinity();
      int64_t medoid = centers[c];
      for (const int64_t candidate : members[c]) {
        double sum = 0;
        for (const int64_t member : members[c]) sum += distances.At(candidate, member);
        if (sum < least) {
          least = sum;
          medoid = candidate;
        }
      }
      changed = changed || medoid != centers[c];
      centers[c] = medoid;
    }
    if (!changed) break;
  }
  return centers;
}

}  // namespace

Ranking RankPpal(const RankInput& input) {
  const PoolObjects pool(input);
  const std::vector<double> uncertainty = CalibratedUncertainty(input);
  if (input.batch_size < 1) throw std::invalid_argument("batch_size: must be positive");
  const int64_t images = input.candidates.images, n = std::min(input.limit, images);
  std::vector<int64_t> left = BestByScore(uncertainty, images);
  std::vector<ObjectsOfImage> taken;
  std::vector<bool> is_taken(images, false);
  // Of each image, to the first `compared` of what is taken.
  std::vector<float> distance(images, std::numeric_limits<float>::infinity());
  std::vector<size_t> compared(images, 0);
  Ranking out;
  while (static_cast<int64_t>(out.order.size()) < n) {
    // Images without objects, which tell nothing of what they hold, wait for the others.
    const auto empty =
        std::find_if(left.begin(), left.end(), [&](int64_t i) { return uncertainty[i] <= 0; });
    const int64_t size = empty == left.begin() ? static_cast<int64_t>(left.size())
                                               : static_cast<int64_t>(empty - left.begin());
    const int64_t wanted = std::min({input.batch_size, kMostPerRound, size});
    std::vector<ObjectsOfImage> round;
    std::vector<float> to_taken;
    for (int64_t r = 0; r < std::min(kUncertainPerImage * wanted, size); ++r) {
      const int64_t i = left[r];
      round.push_back(Describe(pool, i));
      for (; compared[i] < taken.size(); ++compared[i]) {
        distance[i] =
            std::min(distance[i], MatchingDistance(round.back(), taken[compared[i]], pool.dim()));
      }
      to_taken.push_back(distance[i]);
    }
    for (const int64_t r : Medoids(AllDistances(round, pool.dim()), to_taken, wanted)) {
      out.order.push_back(round[r].image);
      is_taken[round[r].image] = true;
      taken.push_back(round[r]);
    }
    left.erase(std::remove_if(left.begin(), left.end(), [&](int64_t i) { return is_taken[i]; }),
               left.end());
  }
  out.order.resize(n);
  return out;
}

}  // namespace mgral::core
