#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/base/errors.h"
#include "server/domain/prediction_store.h"

namespace mgral::test {

// The predictions of one pool, in memory. Every image is for training unless `validation` has its
// key. Keeps what PredictionStore promises.
class FakePredictionStore : public domain::PredictionStore {
 public:
  absl::StatusOr<std::optional<domain::PredictionSet>> FindSet(int64_t) override { return set; }

  absl::StatusOr<domain::PredictionSet> Put(int64_t, const Chunk& chunk,
                                            int64_t max_boxes) override {
    const bool same =
        set && set->model == chunk.model && set->embedding_size == chunk.embedding_size;
    if (set && !same && (set->model == chunk.model || !chunk.may_replace)) {
      return base::FailedPrecondition("PREDICTIONS_REPLACED", "by another stream", "model");
    }
    auto after = same ? stored : std::map<int64_t, domain::ImageSignals>();
    for (const domain::ImageSignals& image : chunk.predictions) after[image.image_key] = image;
    int64_t boxes = 0;
    for (const auto& [key, image] : after) boxes += static_cast<int64_t>(image.predictions.size());
    if (boxes > max_boxes) {
      return base::FailedPrecondition("TOO_MANY_BOXES", "too many boxes", "predictions");
    }
    stored = std::move(after);
    set = {same ? set->key : ++last_key, chunk.model, chunk.embedding_size,
           static_cast<int64_t>(stored.size()), boxes};
    return *set;
  }

  absl::StatusOr<std::vector<domain::ImageSignals>> Predictions(int64_t set_key,
                                                                domain::ImageUse use,
                                                                int64_t after_key,
                                                                int limit) override {
    std::vector<domain::ImageSignals> page;
    if (!set || set->key != set_key) return page;
    for (const auto& [key, image] : stored) {
      const bool wanted = (use == domain::ImageUse::kValidation) == (validation.count(key) > 0);
      if (key > after_key && wanted && static_cast<int>(page.size()) < limit) page.push_back(image);
    }
    return page;
  }

  std::optional<domain::PredictionSet> set;
  std::map<int64_t, domain::ImageSignals> stored;  // by key
  std::map<int64_t, bool> validation;
  int64_t last_key = 0;
};

}  // namespace mgral::test
