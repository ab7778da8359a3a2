#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/domain/image.h"
#include "server/domain/labels.h"

namespace mgral::domain {

// A gain in mAP with its standard error; per class in the pool's order.
struct Gain {
  double mean = 0, standard_error = 0;
  std::vector<double> class_mean, class_standard_error;
};

enum class BatchState { kLeased = 1, kCompleted = 2, kReleased = 3, kExpired = 4 };

struct BatchImage {
  int64_t image_key = 0;
  std::string image_id;
  int rank = 0;
  int cell = -1;
  bool uniform = false;              // drawn at random instead of chosen by the strategy
  std::vector<float> expected_gain;  // per class by the table; empty without one
  std::vector<Box> predictions;
  ImageState state = ImageState::kLeased;
};

struct Batch {
  int64_t key = 0;
  std::string batch_id;
  BatchState state = BatchState::kLeased;
  std::vector<BatchImage> images;
  std::string strategy;
  std::string strategy_note;
  std::optional<int64_t> model_version;
  int64_t table_version = 0;  // 0 without a table
  std::optional<Gain> estimated_gain;
  std::optional<double> estimated_cost;  // by the pool's LabelingCost
  std::optional<Gain> realized_gain;
  std::string annotator;
  absl::Time create_time, expire_time;
};

}  // namespace mgral::domain
