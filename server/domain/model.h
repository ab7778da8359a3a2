#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mgral::domain {

struct ClassAccuracy {
  double ap50 = 0, ap50_11_point = 0, ap = 0;  // NaN without ground truth
  int64_t ground_truth_boxes = 0;
};

struct Accuracy {
  double map50 = 0, map50_11_point = 0, map = 0;
  std::vector<ClassAccuracy> classes;
  int64_t images = 0;
};

struct Model {
  int64_t key = 0;
  int64_t version = 0;        // its resource id too
  std::string cycle_id;       // empty for an imported model
  std::string imported_from;  // the file's name; empty for a model that a cycle trained
  // The imported model that its training began with, also by way of other trainings; its own
  // version if it is imported.
  std::optional<int64_t> import_version;
  bool published = false;
  std::string profile;
  int64_t parameters = 0;
  std::string weights_sha256;
  Accuracy validation;
  absl::Time create_time;
  int64_t training_images = 0;
  std::string external_model;  // as PredictionSet::model; empty for a detector of our own
};

}  // namespace mgral::domain
