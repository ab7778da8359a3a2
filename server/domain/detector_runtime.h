#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/call_context.h"
#include "server/domain/cycle.h"
#include "server/domain/image.h"
#include "server/domain/image_loader.h"
#include "server/domain/labels.h"
#include "server/domain/measurement.h"
#include "server/domain/model.h"
#include "server/domain/pool.h"

namespace mgral::domain {

// An image with its labels, to train or measure on.
struct Example {
  Image image;
  std::vector<Box> boxes;
};

// The detector: training, embedding, probing, predicting. Calls may come from any thread; those
// that need the device wait for each other. Results depend on the arguments alone: same seed, same
// result. Errors: CANCELLED when `progress` said so, INVALID_ARGUMENT, INTERNAL with the device's
// own words, RESOURCE_EXHAUSTED when memory or the disk runs out, UNAVAILABLE for an image that
// cannot be fetched now.
class DetectorRuntime {
 public:
  virtual ~DetectorRuntime() = default;

  // The profile of pools that name none.
  virtual std::string DefaultProfile() = 0;
  // INVALID_ARGUMENT on "detector.profile" if there is no such profile here, on
  // "detector.input_size" and "detector.trunk" if it cannot have them.
  struct ProfileInfo {
    int input_size = 0;
    int replay_probes = 0;  // of a cycle, unless the pool says otherwise
  };
  virtual absl::StatusOr<ProfileInfo> Profile(const DetectorSettings& settings) = 0;

  // Reads an image anew and decodes it to the input of a detector of these settings; training,
  // probing and embedding then find it decoded, as far as the memory set aside for that goes.
  // Returns its size before it is reduced. Runs in the callers' threads, also while the device
  // works. Errors as ImageLoader::Load; settings that fit no detector are ImageFault::kNone.
  virtual absl::StatusOr<ImageHeader> Prepare(const CallContext& call,
                                              const DetectorSettings& detector,
                                              const ImageSource& source) = 0;

  struct TrainRequest {
    DetectorSettings detector;
    int num_classes = 0;
    std::vector<Example> training, validation;
    std::string warm_start_path;    // weights; empty: from scratch
    std::string checkpoint_folder;  // resumes from what it holds
    uint64_t seed = 0;
  };
  struct TrainResult {
    std::string weights_path;  // in checkpoint_folder
    int64_t parameters = 0;
    Accuracy validation;
    std::vector<std::pair<std::string, double>> metrics;
    std::vector<LeftOutImage> left_out;
  };
  // Without training images the weights are the untrained backbone's (cold start).
  // Examples whose image cannot be decoded, or has another size than their boxes are for, are not
  // used but named in `left_out`.
  virtual absl::StatusOr<TrainResult> Train(const TrainRequest& request,
                                            const Progress& progress) = 0;

  // One entry per image, in order; one that cannot be decoded has an error.
  virtual absl::StatusOr<std::vector<ImageSignals>> Embed(const std::string& weights_path,
                                                          const std::vector<Image>& images,
                                                          const Progress& progress) = 0;

  // Measures one base of the labeled images with replay probes. Labels are those of the examples.
  struct ReplayRequest {
    std::string weights_path;  // of the detector whose trunk's features are read
    int num_classes = 0;
    std::vector<Example> labeled, validation;
    int base = 0;    // its number
    int probes = 0;  // how many
    // Not 0: probes end when the work on the base has taken so long, but not before there are
    // `fewest`. Their number then depends on the machine's speed, but nothing else does.
    double seconds = 0;
    int fewest = 0;
    uint64_t seed = 0;
  };
  struct ReplayResult {
    ReplayBase base;                     // without probes where too few images are labeled
    std::vector<LeftOutImage> left_out;  // as Train's
  };
  virtual absl::StatusOr<ReplayResult> Replay(const ReplayRequest& request,
                                              const Progress& progress) = 0;

  struct Predictions {
    std::vector<Box> boxes;
    int width = 0, height = 0;
    std::string error;  // this image cannot be decoded
  };
  struct PredictOptions {
    double min_score = 0;
    bool keep_features = false;  // of a frozen trunk, for other models with it
  };
  // `bytes[i]` is used where images[i].source.location is empty. Answers while a cycle trains.
  // Images are fetched until the call ends, which gives its CANCELLED or DEADLINE_EXCEEDED.
  virtual absl::StatusOr<std::vector<Predictions>> Predict(const CallContext& call,
                                                           const std::string& weights_path,
                                                           const std::vector<Image>& images,
                                                           const std::vector<std::string>& bytes,
                                                           const PredictOptions& options) = 0;

  // What a detector elsewhere says of images, as the signals that Embed gives, by the same
  // equations as far as they need no second view. Boxes are in the original image's pixels,
  // embeddings all of one length. Answers while a cycle trains.
  struct ExternalPredictions {
    int64_t image_key = 0;
    std::vector<Box> boxes;
    std::vector<float> embedding;
  };
  virtual absl::StatusOr<std::vector<ImageSignals>> Describe(
      std::vector<ExternalPredictions> predictions, int num_classes) = 0;
  // The accuracy of predictions, `found[i]` of the image that has the boxes `truth[i]`.
  virtual absl::StatusOr<Accuracy> Measure(const std::vector<std::vector<Box>>& truth,
                                           const std::vector<std::vector<Box>>& found,
                                           int num_classes) = 0;

  // Writes the weights as a safetensors file at `path`, whose folder is there, with `metadata` in
  // it; tensors have the network's names. Returns a JSON object that says what the network is: its
  // architecture, preprocessing, anchors, and postprocessing. The same arguments give the same
  // bytes.
  virtual absl::StatusOr<std::string> Export(const std::string& weights_path,
                                             const std::map<std::string, std::string>& metadata,
                                             const std::string& path) = 0;

  struct ImportRequest {
    DetectorSettings detector;
    int num_classes = 0;
    uint64_t seed = 0;  // of what the file lacks
    // For each class, its label in the file, or -1; empty: in the file's order.
    std::vector<int64_t> class_labels;
    std::string path;          // of the file
    std::string weights_path;  // to write, in a folder that is there
  };
  struct ImportReport {
    int64_t parameters = 0;                 // of the network
    int64_t taken = 0;                      // tensors of the network whose values are the file's
    std::vector<std::string> left, unused;  // of the network and of the file, by name, sorted
    int64_t file_classes = 0;               // 0: the file has no class head that fits
    bool classes_taken = false;             // all of them
  };
  // Other people's weights as weights of a detector of these settings (server/core/weights,
  // match_state.h): a safetensors file or a state dict of PyTorch. What the file lacks is as where
  // a training begins. Runs in the caller's thread, one at a time. Errors: INVALID_ARGUMENT on
  // "data" naming what is wrong with the file, on "class_labels" where its classes do not fit;
  // nothing is written then.
  virtual absl::StatusOr<ImportReport> Import(const ImportRequest& request) = 0;
};

}  // namespace mgral::domain
