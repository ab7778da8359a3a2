#include "server/core/detector/proposals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "server/core/geometry/boxes.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr float kProposalOverlap = 0.7f, kLeastSide = 1e-3f;
constexpr double kObjectIou = 0.5;
constexpr double kAnchorObjects = 0.5, kProposalObjects = 0.25;  // most of a sample

// Which of `positives` and `negatives` to train on.
std::vector<int64_t> Chosen(std::vector<int64_t> positives, std::vector<int64_t> negatives,
                            int64_t count, double most_positives, uint64_t draw) {
  RandomStream random(draw);
  const auto cut = [&random](std::vector<int64_t>* all, int64_t limit) {
    if (static_cast<int64_t>(all->size()) <= limit) return;
    random.Shuffle(all);
    all->resize(limit);
  };
  cut(&positives, static_cast<int64_t>(static_cast<double>(count) * most_positives));
  cut(&negatives, count - static_cast<int64_t>(positives.size()));
  positives.insert(positives.end(), negatives.begin(), negatives.end());
  return positives;
}

LabeledProposals RowsOf(const LabeledProposals& all, const at::Tensor& where) {
  const at::Tensor rows = where.reshape({-1});
  return {all.boxes.index_select(0, rows), all.labels.index_select(0, rows),
          all.objects.index_select(0, rows)};
}

}  // namespace

at::Tensor PickProposals(const at::Tensor& objectness, const at::Tensor& boxes,
                         const std::vector<int64_t>& level_anchors, const BoxF& content,
                         int64_t before, int64_t after) {
  const at::Tensor scores = objectness.sigmoid();
  const float* logit = objectness.data_ptr<float>();
  const float* score = scores.data_ptr<float>();
  const float* box = boxes.data_ptr<float>();
  std::vector<Detection> candidates;
  int64_t first = 0;
  for (size_t level = 0; level < level_anchors.size(); ++level) {
    std::vector<int64_t> best(level_anchors[level]);
    std::iota(best.begin(), best.end(), first);
    first += level_anchors[level];
    const auto end = best.begin() + std::min<int64_t>(before, static_cast<int64_t>(best.size()));
    std::partial_sort(best.begin(), end, best.end(), [logit](int64_t a, int64_t b) {
      return logit[a] != logit[b] ? logit[a] > logit[b] : a < b;
    });
    for (auto a = best.begin(); a != end; ++a) {
      const float* b = box + *a * 4;
      const BoxF clipped = Clipped({b[0], b[1], b[2], b[3]}, content);
      if (clipped.x_max - clipped.x_min < kLeastSide) continue;
      if (clipped.y_max - clipped.y_min < kLeastSide) continue;
      candidates.push_back({clipped, static_cast<int32_t>(level), score[*a]});
    }
  }
  const auto kept = NonMaximumSuppression(std::move(candidates), kProposalOverlap, after);
  at::Tensor picked = at::empty({static_cast<int64_t>(kept.size()), 4});
  for (size_t i = 0; i < kept.size(); ++i) {
    std::memcpy(picked.data_ptr<float>() + 4 * i, &kept[i].box, sizeof(BoxF));
  }
  return picked;
}

void SampleAnchors(int64_t count, uint64_t draw, Targets* targets) {
  const int64_t images = targets->weights.size(0), anchors = targets->weights.size(1);
  const at::Tensor old = targets->weights.clone();
  targets->weights.zero_();
  float* weight = targets->weights.data_ptr<float>();
  const float* counted = old.data_ptr<float>();
  const int64_t* rows = targets->positives.data_ptr<int64_t>();
  std::vector<char> positive(images * anchors, 0);
  for (int64_t p = 0; p < targets->positives.size(0); ++p) positive[rows[p]] = 1;
  for (int64_t i = 0; i < images; ++i) {
    std::vector<int64_t> positives, negatives;
    for (int64_t a = i * anchors; a < (i + 1) * anchors; ++a) {
      if (counted[a] > 0) (positive[a] ? positives : negatives).push_back(a);
    }
    const uint64_t own = MixSeed(draw, 1, static_cast<uint64_t>(i), 0);
    for (int64_t a : Chosen(positives, negatives, count, kAnchorObjects, own)) weight[a] = 1;
  }
  const at::Tensor kept =
      targets->weights.view({-1}).index_select(0, targets->positives).nonzero().squeeze(1);
  for (at::Tensor* t :
       {&targets->positives, &targets->boxes, &targets->box_anchors, &targets->box_labels}) {
    *t = t->index_select(0, kept);
  }
}

LabeledProposals LabelProposals(const at::Tensor& proposals, const Sample& objects) {
  const int64_t n = proposals.size(0);
  LabeledProposals all{proposals, at::zeros({n}, at::kLong), at::zeros({n, 4})};
  const at::Tensor real = objects.ignore.logical_not().nonzero().squeeze(1);
  if (real.size(0) > 0) {
    const at::Tensor boxes = objects.boxes.index_select(0, real);
    const auto [overlap, which] = PairwiseIou(proposals, boxes).max(1);
    const at::Tensor classes = objects.labels.index_select(0, real).index_select(0, which) + 1;
    all.labels = at::where(overlap >= kObjectIou, classes, at::zeros_like(classes));
    all.objects = boxes.index_select(0, which);
  }
  const at::Tensor ignored = objects.ignore.nonzero().squeeze(1);
  if (ignored.size(0) == 0) return all;
  const at::Tensor regions = objects.boxes.index_select(0, ignored).unsqueeze(0);
  const at::Tensor own = proposals.unsqueeze(1);
  const at::Tensor low = at::max(own.slice(2, 0, 2), regions.slice(2, 0, 2));
  const at::Tensor high = at::min(own.slice(2, 2, 4), regions.slice(2, 2, 4));
  const at::Tensor covered = (high - low).clamp_min(0).prod(2).amax(1);
  return RowsOf(all, ((all.labels > 0) | (covered <= 0.5 * BoxArea(proposals))).nonzero());
}

LabeledProposals SampleProposals(const LabeledProposals& all, int64_t count, uint64_t draw) {
  std::vector<int64_t> positives, negatives;
  const int64_t* label = all.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < all.labels.size(0); ++i) {
    (label[i] > 0 ? positives : negatives).push_back(i);
  }
  const at::Tensor rows = at::tensor(
      Chosen(std::move(positives), std::move(negatives), count, kProposalObjects, draw), at::kLong);
  return RowsOf(all, rows);
}

}  // namespace mgral::core
