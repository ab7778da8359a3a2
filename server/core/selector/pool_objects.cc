#include "server/core/selector/pool_objects.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "server/core/selector/check_selection.h"

namespace mgral::core {
namespace {

constexpr size_t kMostOfAnImage = 16;  // as many as have embeddings of their own elsewhere

void CheckPredictions(const RankInput& input) {
  if (static_cast<int64_t>(input.predictions.size()) != input.candidates.images) {
    throw std::invalid_argument("predictions: must have one entry per candidate");
  }
  for (const std::vector<ScoredBox>& boxes : input.predictions) {
    for (const ScoredBox& box : boxes) {
      if (box.label < 0 || box.label >= input.candidates.classes) {
        throw std::invalid_argument("predictions: name a class that is not there");
      }
      if (!(box.score >= 0 && box.score <= 1)) {
        throw std::invalid_argument("predictions: hold a score outside [0, 1]");
      }
    }
  }
}

void CheckObjects(const RankInput& input) {
  const std::vector<int64_t>& first = input.objects.first;
  const size_t images = input.predictions.size();
  if (input.objects.dim < 0) throw std::invalid_argument("objects: dim must not be negative");
  if (first.size() != images + 1 || first[0] != 0) {
    throw std::invalid_argument("objects: must have one entry per candidate");
  }
  for (size_t i = 0; i < images; ++i) {
    if (first[i + 1] < first[i] ||
        first[i + 1] - first[i] > static_cast<int64_t>(input.predictions[i].size())) {
      throw std::invalid_argument("objects: are more than the predictions of an image");
    }
  }
  if (static_cast<int64_t>(input.objects.values.size()) != first[images] * input.objects.dim) {
    throw std::invalid_argument("objects: has a wrong number of values");
  }
}

PoolObjects::Object ToObject(const ScoredBox& box) {
  return {box.label, static_cast<float>(box.score)};
}

}  // namespace

PoolObjects::PoolObjects(const RankInput& input) : input_(input) {
  const ImageSignals& candidates = input.candidates;
  CheckEmbeddings(candidates.embeddings, candidates.images, candidates.dim, "embeddings");
  CheckPredictions(input);
  if (input.objects.dim != 0) {
    CheckObjects(input);
    dim_ = input.objects.dim;
    first_ = input.objects.first;
    for (size_t i = 0; i < input.predictions.size(); ++i) {
      for (int64_t k = 0; k < first_[i + 1] - first_[i]; ++k) {
        objects_.push_back(ToObject(input.predictions[i][k]));
      }
    }
    return;
  }
  dim_ = candidates.dim;
  if (dim_ == 0 && candidates.images > 0) {
    throw std::invalid_argument("objects: neither the objects nor the images have embeddings");
  }
  first_.push_back(0);
  for (std::vector<ScoredBox> boxes : input.predictions) {
    std::stable_sort(boxes.begin(), boxes.end(),
                     [](const ScoredBox& a, const ScoredBox& b) { return a.score > b.score; });
    boxes.resize(std::min(boxes.size(), kMostOfAnImage));
    for (const ScoredBox& box : boxes) objects_.push_back(ToObject(box));
    first_.push_back(static_cast<int64_t>(objects_.size()));
  }
}

void PoolObjects::Embedding(int64_t image, int64_t k, float* out) const {
  if (input_.objects.dim != 0) {
    const int8_t* row = &input_.objects.values[(first_[image] + k) * dim_];
    std::copy(row, row + dim_, out);
  } else {
    const float* row = &input_.candidates.embeddings[image * dim_];
    std::copy(row, row + dim_, out);
  }
  double length = 0;
  for (int64_t j = 0; j < dim_; ++j) length += static_cast<double>(out[j]) * out[j];
  if (length <= 0) return;
  const float scale = static_cast<float>(1 / std::sqrt(length));
  for (int64_t j = 0; j < dim_; ++j) out[j] *= scale;
}

}  // namespace mgral::core
