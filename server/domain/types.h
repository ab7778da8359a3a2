#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

// Plain data shared by every part. `key` is the database's own number of a row and never leaves the
// server; `*_id` is the last segment of a resource name.
namespace mgral::domain {

// Absolute pixels of the original image, 0-based. class_index: position in the pool's class list.
struct Box {
  double x_min = 0, y_min = 0, width = 0, height = 0;
  int class_index = 0;
  bool ignore = false;  // labels: hard or crowded, neither found nor missed
  double score = 0;     // predictions: in (0, 1]
};

enum class ImageState { kUnlabeled = 1, kLeased = 2, kLabeled = 3, kRejected = 4 };
enum class ImageUse { kTraining = 1, kValidation = 2 };

// Where the bytes of an image are. kArtifact: `location` is the SHA-256 of bytes that were sent
// with the registration and lie in the ArtifactStore.
struct ImageSource {
  enum class Kind { kPath = 1, kUri = 2, kArtifact = 3 };
  Kind kind = Kind::kPath;
  std::string location;
};

struct NewImage {
  std::string image_id;
  ImageSource source;
  ImageUse use = ImageUse::kTraining;
  int width = 0, height = 0;  // 0: not looked at yet
};

struct Image {
  int64_t key = 0;
  std::string image_id;
  ImageSource source;
  ImageState state = ImageState::kUnlabeled;
  ImageUse use = ImageUse::kTraining;
  int width = 0, height = 0;
  std::string reject_reason;
  absl::Time create_time;
  int64_t label_revision = 0;
};

struct DetectorSettings {
  std::string profile = "tiny";
  bool warm_start = false;
  int training_steps = 0;  // 0: the profile's own
  int input_size = 0;      // 0: the profile's own
};

struct SelectionSettings {
  std::string strategy = "mgral";
  int batch_size = 20;
  int probes = 0;         // 0: the profile's own
  int replay_probes = 0;  // 0: the profile's own
  int64_t seed = 0;
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
  absl::Time create_time;
  PoolCounts counts;
  std::optional<int64_t> published_model_version;
};

// Identifies a call that may be repeated. Empty request_id: not idempotent. `fingerprint`: SHA-256
// of the request, so that one request_id cannot stand for two different calls.
struct RequestKey {
  std::string method;
  std::string request_id;
  std::string fingerprint;
};

// One page of a listing; `next_page_token` empty on the last.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;
};
struct PageRequest {
  int size = 50;
  std::string token;  // opaque; a foreign one gives INVALID_ARGUMENT on "page_token"
};

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
  std::optional<Gain> realised_gain;
  std::string annotator;
  absl::Time create_time, expire_time;
};

struct NewLabels {
  std::string image_id;
  std::vector<Box> boxes;
  std::string reject_reason;  // not empty: the annotator refuses the image
  std::optional<ImageUse> use;
  std::string batch_id;  // empty: outside of any lease
};

struct Labels {
  int64_t image_key = 0;
  std::string image_id;
  int64_t revision = 0;
  std::vector<Box> boxes;
  absl::Time create_time;
  bool late = false;
  std::string batch_id;
};

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
  int64_t version = 0;  // its resource id too
  std::string cycle_id;
  bool published = false;
  std::string profile;
  int64_t parameters = 0;
  std::string weights_sha256;
  Accuracy validation;
  absl::Time create_time;
  int64_t training_images = 0;
};

enum class CycleState { kQueued = 1, kRunning = 2, kSucceeded = 3, kFailed = 4, kCancelled = 5 };
enum class CycleStage {
  kTrain = 1,
  kEmbed = 2,
  kProbe = 3,
  kTable = 4,
  kSelector = 5,
  kPublish = 6
};

struct StageProgress {
  CycleStage stage = CycleStage::kTrain;
  double fraction = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> metrics;
};

struct TableReport {
  int64_t probes = 0, replay_probes = 0, cells = 0;
  std::optional<double> fidelity;
  double response_fidelity = 0;
  double seconds_per_probe = 0, seconds_per_lookup = 0;
  double selector_gain = 0, greedy_gain = 0;
  double test_retest = 0;
};

struct Cycle {
  int64_t key = 0;
  int64_t pool_key = 0;
  std::string cycle_id;
  CycleState state = CycleState::kQueued;
  CycleStage stage = CycleStage::kTrain;
  std::vector<StageProgress> stages;
  absl::Time create_time;
  std::optional<absl::Time> end_time;
  std::optional<absl::Time> eta;
  int64_t training_images = 0, validation_images = 0;
  double map50 = 0, map = 0;
  std::optional<int64_t> model_version;
  std::string error;
  double predicted_gain = 0, predicted_gain_se = 0;
  std::optional<double> realised_gain;
  std::optional<TableReport> table;
  bool without_table = false;
  int64_t revision = 0;  // grows with every change: what WatchCycle waits for
};

}  // namespace mgral::domain
