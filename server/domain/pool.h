#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mgral::domain {

// The profile of pools that rank by the predictions of the user's own detector (PredictionStore).
// No runtime has it.
inline constexpr char kExternalProfile[] = "external";

struct DetectorSettings {
  bool external() const { return profile == kExternalProfile; }

  std::string profile = "tiny";
  bool warm_start = false;
  int training_steps = 0;  // 0: the profile's own
  int input_size = 0;      // 0: the profile's own
  std::string trunk = "";  // another, by torchvision's name; empty: the profile's own
};

// The work of labeling: in seconds, or else in boxes, where an image counts as much as two.
struct LabelingCost {
  double per_image = 2, per_box = 1;  // >= 0, not both 0; 0 per image: one without boxes costs 0
  bool in_seconds = false;
};

struct SelectionSettings {
  LabelingCost cost() const {
    if (seconds_per_image == 0 && seconds_per_box == 0) return {};
    return {seconds_per_image, seconds_per_box, true};
  }

  std::string strategy = "mgral";
  int batch_size = 20;
  int probes = 0;         // 0: the profile's own
  int replay_probes = 0;  // 0: the profile's own number; -1: none
  int64_t seed = 0;
  double seconds_per_image = 0, seconds_per_box = 0;  // both 0: not set
  double uniform_share = 0.15;  // of a batch by the table: drawn at random; in [0, 1)
  // Instead of a number of replay probes: for all of a cycle, in all workers; 0: no limit.
  double probe_seconds = 0;
};

struct PoolCounts {
  int64_t unlabeled = 0, leased = 0, labeled = 0, rejected = 0;
  int64_t validation = 0, training = 0;
};

struct Pool {
  int64_t key = 0;
  std::string pool_id;
  std::string display_name;
  std::vector<std::string> classes;
  DetectorSettings detector;
  SelectionSettings selection;
  // Whether an image's EXIF orientation is applied: to its pixels, its size and the frame of boxes.
  bool applies_exif_orientation = true;
  absl::Time create_time;
  PoolCounts counts;
  std::optional<int64_t> published_model_version;
  // The imported model that the next trainings begin with, unless they continue from one that did.
  std::optional<int64_t> start_model_version;
};

}  // namespace mgral::domain
