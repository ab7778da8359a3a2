#include "client/cpp/fidelity/trial_batches.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "client/cpp/synth/seeded_random.h"

namespace mgral::client {
namespace {

enum TrialStream : uint64_t { kSizeStream = 31, kComposeStream };

// Images are drawn from so much of the ranking of those that have a positive score.
constexpr double kCrowdedShare = 1.0 / 3;
constexpr double kEmptyShare = 0.2;
constexpr double kClassShare = 0.5;
constexpr double kRareShare = 1.0 / 3;  // of the classes

std::vector<int64_t> BoxesPerClass(const Dataset& dataset, const std::vector<int>& images) {
  std::vector<int64_t> counts(dataset.classes.size());
  for (int position : images) {
    for (const DatasetBox& box : dataset.images[position].boxes) ++counts[box.class_index];
  }
  return counts;
}

// `size` images, drawn from the best `share` of those with a positive score, of all if they are too
// few.
std::vector<int> DrawFromBest(const std::vector<int>& images, int size, double share,
                              const std::function<double(const DatasetImage&)>& score,
                              const Dataset& dataset, SeededRandom random) {
  std::vector<std::pair<double, int>> ranked;
  for (int position : images) ranked.emplace_back(score(dataset.images[position]), position);
  random.Shuffle(ranked);  // images of equal score
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  const auto eligible =
      std::count_if(ranked.begin(), ranked.end(), [](const auto& each) { return each.first > 0; });
  const auto best = static_cast<size_t>(std::lround(share * static_cast<double>(eligible)));
  ranked.resize(std::max(static_cast<size_t>(size), best));
  random.Shuffle(ranked);
  std::vector<int> drawn;
  for (int i = 0; i < size; ++i) drawn.push_back(ranked[static_cast<size_t>(i)].second);
  return drawn;
}

std::vector<int> NextToEachOther(const Dataset& dataset, std::vector<int> images, int size,
                                 SeededRandom random) {
  std::sort(images.begin(), images.end(), [&](int a, int b) {
    return dataset.images[a].file_name < dataset.images[b].file_name;
  });
  const size_t from = random.Index(images.size() - static_cast<size_t>(size) + 1);
  const auto begin = images.begin() + static_cast<long>(from);
  return std::vector<int>(begin, begin + size);
}

double ShareOf(const DatasetImage& image, int class_index) {
  const auto boxes =
      std::count_if(image.boxes.begin(), image.boxes.end(),
                    [&](const DatasetBox& box) { return box.class_index == class_index; });
  return image.boxes.empty() ? 0
                             : static_cast<double>(boxes) / static_cast<double>(image.boxes.size());
}

// The classes of `unlabeled` with the fewest labels.
std::set<int> RareClasses(const Dataset& dataset, const std::vector<int>& labeled,
                          const std::vector<int>& unlabeled) {
  const std::vector<int64_t> known = BoxesPerClass(dataset, labeled);
  const std::vector<int64_t> there = BoxesPerClass(dataset, unlabeled);
  std::vector<int> classes;
  for (size_t k = 0; k < there.size(); ++k) {
    if (there[k] > 0) classes.push_back(static_cast<int>(k));
  }
  std::stable_sort(classes.begin(), classes.end(), [&](int a, int b) {
    return known[static_cast<size_t>(a)] < known[static_cast<size_t>(b)];
  });
  const double count = std::ceil(kRareShare * static_cast<double>(classes.size()));
  return std::set<int>(classes.begin(), classes.begin() + static_cast<long>(count));
}

// The class of a kOneClass batch: those that there are take turns.
int ClassInTurn(const Dataset& dataset, const std::vector<int>& unlabeled, int number) {
  const std::vector<int64_t> there = BoxesPerClass(dataset, unlabeled);
  std::vector<int> classes;
  for (size_t k = 0; k < there.size(); ++k) {
    if (there[k] > 0) classes.push_back(static_cast<int>(k));
  }
  return classes.empty() ? 0 : classes[static_cast<size_t>(number) % classes.size()];
}

}  // namespace

const char* NameOf(BatchKind kind) {
  static const char* const kNames[] = {"random",    "selected", "crowded", "empty",
                                       "one class", "rare",     "alike"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<TrialPlan> PlanTrials(int count, int smallest, int largest, uint64_t seed) {
  static constexpr BatchKind kTurns[] = {
      BatchKind::kRandom,   BatchKind::kSelected, BatchKind::kCrowded, BatchKind::kOneClass,
      BatchKind::kSelected, BatchKind::kRare,     BatchKind::kAlike,   BatchKind::kEmpty};
  SeededRandom random(seed, kSizeStream);
  std::vector<int> strata(static_cast<size_t>(count));
  std::iota(strata.begin(), strata.end(), 0);
  random.Shuffle(strata);
  std::map<BatchKind, int> numbers;
  std::vector<TrialPlan> plans;
  for (int i = 0; i < count; ++i) {
    const double share = (strata[static_cast<size_t>(i)] + random.Uniform()) / count;
    const double size = smallest * std::pow(static_cast<double>(largest) / smallest, share);
    const BatchKind kind = kTurns[static_cast<size_t>(i) % std::size(kTurns)];
    plans.push_back({kind, static_cast<int>(std::lround(size)), numbers[kind]++});
  }
  return plans;
}

ComposedBatch Compose(const Dataset& dataset, const std::vector<int>& labeled,
                      const std::vector<int>& unlabeled, const TrialPlan& plan, uint64_t seed,
                      int attempt) {
  const SeededRandom random(MixBits(MixBits(seed) + static_cast<uint64_t>(plan.kind)),
                            MixBits(kComposeStream + static_cast<uint64_t>(plan.number) * 1000 +
                                    static_cast<uint64_t>(attempt)));
  const auto best = [&](double share, const std::function<double(const DatasetImage&)>& score) {
    return DrawFromBest(unlabeled, plan.size, share, score, dataset, random);
  };
  const auto boxes = [](const DatasetImage& image) {
    return static_cast<double>(image.boxes.size());
  };
  switch (plan.kind) {
    case BatchKind::kCrowded:
      return {best(kCrowdedShare, [&](const auto& image) { return boxes(image) + 1; }), ""};
    case BatchKind::kEmpty:
      return {best(kEmptyShare, [&](const auto& image) { return 1 / (1 + boxes(image)); }), ""};
    case BatchKind::kOneClass: {
      const int k = ClassInTurn(dataset, unlabeled, plan.number);
      return {best(kClassShare, [&](const auto& image) { return ShareOf(image, k); }),
              dataset.classes[static_cast<size_t>(k)]};
    }
    case BatchKind::kRare: {
      const std::set<int> rare = RareClasses(dataset, labeled, unlabeled);
      return {best(kClassShare,
                   [&](const auto& image) {
                     return static_cast<double>(std::count_if(
                         image.boxes.begin(), image.boxes.end(),
                         [&](const DatasetBox& box) { return rare.count(box.class_index) > 0; }));
                   }),
              ""};
    }
    case BatchKind::kAlike:
      return {NextToEachOther(dataset, unlabeled, plan.size, random), ""};
    default:
      return {best(1, [](const auto&) { return 1.0; }), ""};
  }
}

}  // namespace mgral::client
