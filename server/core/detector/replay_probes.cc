#include "server/core/detector/replay_probes.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "server/core/detector/workers.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr double kSmallestBase = 0.5, kLargestBase = 0.8;  // of the labeled images
constexpr double kLargestBatch = 0.6;                      // of those that are not in the base
constexpr uint64_t kReplayStream = 77;
constexpr int64_t kMeasuredTogether = 4;

// How the images of a batch are picked, one after the other.
enum Composition {
  kDrawn,
  kManyObjects,
  kFewObjects,
  kOneClass,
  kAlike,
  kDrawnAgain,
  kCompositions
};

class Replay {
 public:
  Replay(const std::vector<ReadoutImage>& labeled, const std::vector<ReadoutImage>& validation,
         int64_t classes, uint64_t seed)
      : labeled_(labeled), validation_(validation), classes_(classes), random_(seed) {
    c10::NoGradGuard no_grad;
    for (const ReadoutImage& image : labeled) {
      counts_.emplace_back(classes, 0.0);
      for (const ReadoutObject& object : image.objects) {
        if (object.label < 0 || object.label >= classes) {
          throw std::invalid_argument("label: no such class");
        }
        ++counts_.back()[object.label];
      }
      looks_.push_back(image.rows.mean(0));
    }
  }

  ReplayBase Run(int64_t probes, const ProgressFn& progress, const ReplayTime& time) {
    DrawBase();
    base_.batches.resize(probes);
    for (int64_t p = 0; p < probes; ++p) {
      base_.batches[p].images = DrawBatch(static_cast<Composition>(p % kCompositions));
    }
    Workers workers(kMeasuredTogether);  // operators run in one thread: sums must not depend on it
    const at::Tensor before = FitReadout(ImagesAt(base_.images), classes_);
    int64_t made = 0;
    double used = 0;  // share of the time
    while (made < probes && (made < time.fewest || used < 1)) {
      const int64_t count = std::min(kMeasuredTogether, probes - made);
      workers.Run(count, [&](int64_t p) { Measure(before, &base_.batches[made + p]); });
      made += count;
      if (time.seconds > 0) used = time.passed() / time.seconds;
      const double done = std::clamp(used, static_cast<double>(made) / probes, 1.0);
      if (progress && !progress(done)) throw Canceled();
    }
    base_.batches.resize(made);
    return std::move(base_);
  }

 private:
  int64_t size() const { return static_cast<int64_t>(labeled_.size()); }

  ReadoutImages ImagesAt(const std::vector<int64_t>& positions) const {
    ReadoutImages images;
    for (const int64_t i : positions) images.push_back(&labeled_[i]);
    return images;
  }

  // Classes are shared out from the rarest on, so that none is missing on one side while the other
  // has two images of it.
  void DrawBase() {
    const double share = kSmallestBase + (kLargestBase - kSmallestBase) * random_.Uniform();
    std::vector<int64_t> order(size());
    std::iota(order.begin(), order.end(), 0);
    random_.Shuffle(&order);
    std::vector<std::vector<int64_t>> images_of(classes_ + 1);
    for (const int64_t i : order) {
      for (int64_t c = 0; c < classes_; ++c) {
        if (counts_[i][c] > 0) images_of[c].push_back(i);
      }
      images_of[classes_].push_back(i);
    }
    std::stable_sort(images_of.begin(), images_of.end(),
                     [](const auto& a, const auto& b) { return a.size() < b.size(); });
    enum Side : char { kOpen, kBase, kRest };
    std::vector<char> side(size(), kOpen);
    for (const std::vector<int64_t>& images : images_of) {
      int64_t wanted = std::llround(share * static_cast<double>(images.size()));
      if (images.size() > 1) {
        wanted = std::clamp<int64_t>(wanted, 1, static_cast<int64_t>(images.size()) - 1);
      }
      for (const int64_t i : images) wanted -= side[i] == kBase ? 1 : 0;
      for (const int64_t i : images) {
        if (side[i] == kOpen) side[i] = wanted-- > 0 ? kBase : kRest;
      }
    }
    for (int64_t i = 0; i < size(); ++i) {
      (side[i] == kBase ? base_.images : rest_).push_back(i);
    }
  }

  double Objects(int64_t image) const {
    return std::accumulate(counts_[image].begin(), counts_[image].end(), 0.0);
  }

  // The first images of the rest in an order that `composition` gives it.
  std::vector<int64_t> DrawBatch(Composition composition) {
    std::vector<int64_t> batch = rest_;
    random_.Shuffle(&batch);
    const auto most = static_cast<int64_t>(kLargestBatch * static_cast<double>(rest_.size()));
    const int64_t length = 2 + random_.Below(std::max<int64_t>(1, most - 1));
    const int64_t label = random_.Below(classes_);
    const at::Tensor look = looks_[batch[0]];
    std::vector<double> last(size(), 0);  // those with the most come last
    for (const int64_t i : batch) {
      if (composition == kManyObjects) last[i] = -Objects(i);
      if (composition == kFewObjects) last[i] = Objects(i);
      if (composition == kOneClass) last[i] = -counts_[i][label];
      if (composition == kAlike) last[i] = (looks_[i] - look).square().sum().item<double>();
    }
    std::stable_sort(batch.begin(), batch.end(),
                     [&last](int64_t a, int64_t b) { return last[a] < last[b]; });
    batch.resize(std::min<int64_t>(length, static_cast<int64_t>(batch.size()) - 1));
    return batch;
  }

  // [C] of a loss before and after.
  std::vector<double> Fall(const ReadoutLoss& before, const ReadoutLoss& after) const {
    std::vector<double> fall;
    for (int64_t c = 0; c < classes_; ++c) {
      const double ratio = before.loss[c] / after.loss[c];
      fall.push_back(ratio > 0 && std::isfinite(ratio) ? std::log(ratio)
                                                       : std::numeric_limits<double>::quiet_NaN());
    }
    return fall;
  }

  void Measure(const at::Tensor& before, ReplayedBatch* probe) const {
    std::vector<bool> taken(size(), false);
    std::vector<int64_t> together = base_.images;
    for (const int64_t i : probe->images) {
      taken[i] = true;
      together.push_back(i);
    }
    ReadoutImages held, halves[2];
    for (const int64_t i : rest_) {
      if (!taken[i]) held.push_back(&labeled_[i]);
    }
    for (const ReadoutImage& image : validation_) held.push_back(&image);
    for (size_t i = 0; i < held.size(); ++i) halves[i % 2].push_back(held[i]);
    const at::Tensor after = FitReadout(ImagesAt(together), classes_);
    const ReadoutLoss with = MeasureReadout(after, held);
    probe->response = Fall(MeasureReadout(before, held), with);
    probe->held_positives = with.positives;
    probe->missed = MeasureReadout(before, ImagesAt(probe->images)).missed;
    for (int h = 0; h < 2; ++h) {
      probe->half_response[h] =
          Fall(MeasureReadout(before, halves[h]), MeasureReadout(after, halves[h]));
    }
  }

  const std::vector<ReadoutImage>& labeled_;
  const std::vector<ReadoutImage>& validation_;
  const int64_t classes_;
  RandomStream random_;
  std::vector<std::vector<double>> counts_;  // [labeled][C] objects
  std::vector<at::Tensor> looks_;            // [labeled] mean of the rows
  ReplayBase base_;
  std::vector<int64_t> rest_;  // labeled images that are not in the base
};

}  // namespace

ReplayBase RunReplayBase(const std::vector<ReadoutImage>& labeled,
                         const std::vector<ReadoutImage>& validation, int64_t classes, int64_t base,
                         int64_t probes, uint64_t seed, const ProgressFn& progress,
                         const ReplayTime& time) {
  if (static_cast<int64_t>(labeled.size()) < kFewestReplayed) {
    throw std::invalid_argument("replay needs at least " + std::to_string(kFewestReplayed) +
                                " labeled images");
  }
  return Replay(labeled, validation, classes, MixSeed(seed, kReplayStream, base, 0))
      .Run(probes, progress, time);
}

}  // namespace mgral::core
