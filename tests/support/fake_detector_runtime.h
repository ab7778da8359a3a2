#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/image_fault.h"
#include "server/domain/image_loader.h"

namespace mgral::test {

// A detector that learns nothing and finds the same box in every image; what it says of an image
// follows from the weights' seed and the image's key. Keeps what DetectorRuntime promises
// (tests/conformance/detector_runtime_test.cc). Thread-safe.
class FakeDetectorRuntime : public domain::DetectorRuntime {
 public:
  // Fewer labeled images are not replayed.
  static constexpr size_t kFewestReplayed = 8;

  // Without a loader every image can be decoded, and has 100 x 100 pixels.
  explicit FakeDetectorRuntime(domain::ImageLoader* loader = nullptr) : loader_(loader) {}

  std::string DefaultProfile() override { return "tiny"; }
  absl::StatusOr<ProfileInfo> Profile(const domain::DetectorSettings& settings) override {
    if (settings.input_size % 32 != 0 || settings.input_size < 0 || settings.input_size > 4096) {
      return base::InvalidField("detector.input_size", "is no multiple of 32");
    }
    for (const char* known : {"micro", "tiny", "small", "base", "large"}) {
      if (settings.profile == known) return ProfileInfo{96, 12};
    }
    return base::InvalidField("detector.profile", "is unknown");
  }

  absl::StatusOr<domain::ImageHeader> Prepare(const domain::CallContext& call,
                                              const domain::DetectorSettings& detector,
                                              const domain::ImageSource& source) override {
    const auto profile = Profile(detector);
    if (!profile.ok()) return WithFault(profile.status(), domain::ImageFault::kNone);
    if (loader_ == nullptr) return domain::ImageHeader{100, 100};
    return loader_->Verify(call, source);
  }

  absl::StatusOr<TrainResult> Train(const TrainRequest& request,
                                    const domain::Progress& progress) override {
    const auto profile = Profile(request.detector);
    if (!profile.ok()) return profile.status();
    const absl::Status stopped = Stopped(progress);
    if (!stopped.ok()) return stopped;
    TrainResult result;
    for (const auto* examples : {&request.training, &request.validation}) {
      const absl::Status status = Check(*examples, &result.left_out);
      if (!status.ok()) return status;
    }
    result.weights_path = request.checkpoint_folder + "/weights.pt";
    std::ofstream(result.weights_path) << request.num_classes << " " << request.seed;
    result.parameters = 10;
    result.validation.images = static_cast<int64_t>(request.validation.size());
    result.validation.map50 = result.validation.map50_11_point = 0.5;
    result.validation.map = 0.25;
    result.validation.classes.assign(request.num_classes, {0.5, 0.5, 0.25, 1});
    result.metrics = {{"loss", 1.0}};
    return result;
  }

  absl::StatusOr<std::vector<domain::ImageSignals>> Embed(
      const std::string& weights_path, const std::vector<domain::Image>& images,
      const domain::Progress& progress) override {
    const auto weights = Read(weights_path);
    if (!weights.ok()) return weights.status();
    const absl::Status stopped = Stopped(progress);
    if (!stopped.ok()) return stopped;
    std::vector<domain::ImageSignals> signals;
    for (const domain::Image& image : images) {
      domain::ImageSignals& out = signals.emplace_back();
      out.image_key = image.key;
      const auto size = SizeOf(image.source, "");
      if (IsOfImage(size.status())) {
        out.error = std::string(size.status().message());
        continue;
      }
      if (!size.ok()) return size.status();
      const float value = Value(*weights, image.key);
      out.embedding = {value, 1 - value};
      out.expected_objects.assign(weights->classes, value);
      out.uncertainty.assign(weights->classes, 1 - value);
      out.disagreement = value / 2;
      out.predictions = {Found(*size)};
    }
    return signals;
  }

  // A base is the half of the labeled images that begins at its number; every other image is a
  // batch in turn, and takes a tenth off the loss of every class.
  absl::StatusOr<ReplayResult> Replay(const ReplayRequest& request,
                                      const domain::Progress& progress) override {
    const auto weights = Read(request.weights_path);
    if (!weights.ok()) return weights.status();
    const absl::Status stopped = Stopped(progress);
    if (!stopped.ok()) return stopped;
    ReplayResult result;
    std::vector<int64_t> usable;
    absl::Status status = Check(request.labeled, &result.left_out, &usable);
    if (status.ok()) status = Check(request.validation, &result.left_out);
    if (!status.ok()) return status;
    if (usable.size() < kFewestReplayed) return result;
    std::rotate(usable.begin(), usable.begin() + request.base % usable.size(), usable.end());
    const size_t half = usable.size() / 2;
    result.base.image_keys.assign(usable.begin(), usable.begin() + half);
    const std::vector<double> response(request.num_classes, 0.1), one(request.num_classes, 1.0);
    // Time is over at once.
    const int probes =
        request.seconds > 0 ? std::min(request.fewest, request.probes) : request.probes;
    for (int p = 0; p < probes; ++p) {
      result.base.probes.push_back(
          {{usable[half + p % (usable.size() - half)]}, response, {response, response}, one, one});
    }
    result.base.seconds = 0.01 * probes;
    return result;
  }

  absl::StatusOr<std::vector<Predictions>> Predict(const domain::CallContext&,
                                                   const std::string& weights_path,
                                                   const std::vector<domain::Image>& images,
                                                   const std::vector<std::string>& bytes,
                                                   const PredictOptions& options) override {
    const auto weights = Read(weights_path);
    if (!weights.ok()) return weights.status();
    std::vector<Predictions> results;
    for (size_t i = 0; i < images.size(); ++i) {
      const bool given = images[i].source.location.empty();
      if (given && i >= bytes.size()) {
        return absl::InvalidArgumentError(absl::StrCat("images[", i, "] has no source"));
      }
      Predictions& out = results.emplace_back();
      const auto size = SizeOf(images[i].source, given ? bytes[i] : "");
      if (!size.ok()) {
        out.error = std::string(size.status().message());
        continue;
      }
      out.width = size->width;
      out.height = size->height;
      const domain::Box box = Found(*size);
      if (box.score >= options.min_score) out.boxes = {box};
    }
    return results;
  }

  absl::StatusOr<std::vector<domain::ImageSignals>> Describe(
      std::vector<ExternalPredictions> predictions, int num_classes) override {
    std::vector<domain::ImageSignals> signals;
    for (ExternalPredictions& image : predictions) {
      domain::ImageSignals& out = signals.emplace_back();
      out.image_key = image.image_key;
      out.embedding = std::move(image.embedding);
      out.expected_objects.assign(num_classes, 0);
      out.uncertainty.assign(num_classes, 0);
      for (const domain::Box& box : image.boxes) {
        out.expected_objects.at(box.class_index) += static_cast<float>(box.score);
        out.uncertainty.at(box.class_index) += static_cast<float>(1 - box.score);
      }
      out.predictions = std::move(image.boxes);
    }
    return signals;
  }

  // Everything is found as soon as there are predictions.
  absl::StatusOr<domain::Accuracy> Measure(const std::vector<std::vector<domain::Box>>& truth,
                                           const std::vector<std::vector<domain::Box>>& found,
                                           int num_classes) override {
    if (truth.size() != found.size()) return absl::InvalidArgumentError("different images");
    domain::Accuracy accuracy;
    accuracy.images = static_cast<int64_t>(truth.size());
    accuracy.map50 = accuracy.map50_11_point = accuracy.map = truth.empty() ? NAN : 1;
    accuracy.classes.assign(num_classes, {1, 1, 1, accuracy.images});
    return accuracy;
  }

  absl::StatusOr<std::string> Export(const std::string& weights_path,
                                     const std::map<std::string, std::string>& metadata,
                                     const std::string& path) override {
    const auto weights = Read(weights_path);
    if (!weights.ok()) return weights.status();
    std::ofstream file(path, std::ios::binary);
    for (const auto& [name, text] : metadata) file << name << "=" << text << "\n";
    file << weights->classes << " " << weights->seed;
    if (!file.flush()) return absl::InternalError("cannot write the file");
    return absl::StrCat("{\"architecture\":{\"type\":\"fake\",\"num_classes\":", weights->classes,
                        "},\"input\":{},\"anchors\":{},\"boxes\":{},\"postprocessing\":{}}");
  }

  // Files are weights of its own; those of another number of classes have no class head.
  absl::StatusOr<ImportReport> Import(const ImportRequest& request) override {
    const auto weights = Read(request.path);
    if (!weights.ok()) return base::InvalidField("data", "is no file of weights");
    std::ofstream(request.weights_path) << request.num_classes << " " << weights->seed;
    ImportReport report;
    report.parameters = 10;
    report.file_classes = weights->classes;
    report.classes_taken = weights->classes == request.num_classes;
    report.taken = report.classes_taken ? 2 : 1;
    if (!report.classes_taken) report.left = report.unused = {"head"};
    return report;
  }

 private:
  struct Weights {
    int classes = 0;
    uint64_t seed = 0;
  };

  static absl::Status Stopped(const domain::Progress& progress) {
    if (!progress || progress(0.5)) return absl::OkStatus();
    return absl::CancelledError("the work was asked to stop");
  }
  static absl::StatusOr<Weights> Read(const std::string& path) {
    Weights weights;
    std::ifstream file(path);
    if (!(file >> weights.classes >> weights.seed)) {
      return absl::InternalError("cannot read " + path);
    }
    return weights;
  }
  static bool IsOfImage(const absl::Status& status) {
    return domain::FaultOf(status) == domain::ImageFault::kContent;
  }
  // Appends the examples that cannot be used to `left_out`, the keys of the others to `usable`.
  absl::Status Check(const std::vector<domain::Example>& examples,
                     std::vector<domain::LeftOutImage>* left_out,
                     std::vector<int64_t>* usable = nullptr) {
    for (const domain::Example& example : examples) {
      const domain::Image& image = example.image;
      const auto size = SizeOf(image.source, "");
      if (!size.ok() && !IsOfImage(size.status())) return size.status();
      const bool fits = size.ok() && (loader_ == nullptr || image.width == 0 ||
                                      (image.width == size->width && image.height == size->height));
      const std::string reason =
          size.ok() ? "has another size" : std::string(size.status().message());
      if (!fits) left_out->push_back({image.key, image.image_id, reason});
      if (fits && usable != nullptr) usable->push_back(image.key);
    }
    return absl::OkStatus();
  }
  static float Value(const Weights& weights, int64_t key) {
    return static_cast<float>(std::hash<uint64_t>()(weights.seed * 31 + key * 7919) % 101) / 101;
  }
  static domain::Box Found(const domain::ImageHeader& size) {
    domain::Box box;
    box.width = size.width / 2.0;
    box.height = size.height / 2.0;
    box.score = 0.5;
    return box;
  }
  absl::StatusOr<domain::ImageHeader> SizeOf(const domain::ImageSource& source,
                                             const std::string& bytes) {
    if (loader_ == nullptr) return domain::ImageHeader{100, 100};
    return bytes.empty() ? loader_->ReadHeader({}, source)
                         : loader_->VerifyBytes(bytes, source.oriented);
  }

  domain::ImageLoader* loader_;
};

}  // namespace mgral::test
