#include "server/core/detector/embed.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/detector/predict.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/example_samples.h"
#include "server/runtime/image_cache.h"
#include "server/runtime/model_cache.h"
#include "server/runtime/torch_runtime.h"
#include "server/runtime/workplace.h"

namespace mgral::runtime {
namespace {

using domain::Image;
using domain::ImageSignals;
using Predictions = domain::DetectorRuntime::Predictions;

constexpr size_t kChunk = 64;
// For fetching the images of one Predict. What is not here by then has the error of a deadline in
// its result.
constexpr absl::Duration kFetchTime = absl::Seconds(60);

struct Decoded {
  std::vector<absl::StatusOr<CachedImage>> images;
};

Decoded DecodeChunk(const std::vector<Image>& images, size_t begin, int side, ImageCache* cache) {
  Decoded decoded;
  for (size_t i = begin; i < std::min(images.size(), begin + kChunk); ++i) {
    decoded.images.push_back(cache->Get(images[i].source, side));
  }
  return decoded;
}

// The detections as boxes of the original image, with the objects of those that are kept.
void SetPredictions(const core::Embedding& embedded, const CachedImage& image, ImageSignals* out) {
  const size_t dim = static_cast<size_t>(out->object_dim);
  for (size_t k = 0; k < embedded.detections.size(); ++k) {
    const std::vector<domain::Box> boxes = ToBoxes(
        {embedded.detections[k]}, static_cast<int>(image.pixels.size(2)),
        static_cast<int>(image.pixels.size(1)), image.original_width, image.original_height);
    if (boxes.empty()) continue;
    out->predictions.push_back(boxes[0]);
    if ((k + 1) * dim > embedded.objects.size()) continue;
    const auto row = embedded.objects.begin() + static_cast<int64_t>(k * dim);
    out->objects.insert(out->objects.end(), row, row + static_cast<int64_t>(dim));
  }
}

// Fills `signals` (one per image of the chunk); an image that cannot be decoded gets its error.
absl::Status EmbedChunk(const core::Detector& detector, core::FeatureCache* features,
                        const Decoded& decoded, ImageSignals* signals) {
  std::vector<CachedImage> readable;
  std::vector<size_t> decodable;
  for (size_t i = 0; i < decoded.images.size(); ++i) {
    const absl::StatusOr<CachedImage>& image = decoded.images[i];
    if (image.ok()) {
      readable.push_back(*image);
      decodable.push_back(i);
    } else if (IsOfImage(image.status())) {
      signals[i].error = std::string(image.status().message());
    } else {
      return image.status();
    }
  }
  DecodedSamples samples(std::move(readable));
  std::vector<core::Embedding> embedded =
      core::Embed(detector, samples, core::DefaultPredictConfig(detector.config()), {}, features);
  const int object_dim = static_cast<int>(core::ObjectEmbeddingSize(detector.config()));
  for (size_t i = 0; i < decodable.size(); ++i) {
    const CachedImage& image = *decoded.images[decodable[i]];
    ImageSignals& out = signals[decodable[i]];
    out.embedding = std::move(embedded[i].embedding);
    out.expected_objects = std::move(embedded[i].expected_objects);
    out.uncertainty = std::move(embedded[i].uncertainty);
    out.disagreement = embedded[i].disagreement;
    out.object_dim = object_dim;
    SetPredictions(embedded[i], image, &out);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ImageSignals>> EmbedImages(const std::string& weights_path,
                                                      const std::vector<Image>& images,
                                                      const domain::Progress& progress,
                                                      const Workplace& workplace) {
  core::Detector detector = core::Detector::Load(weights_path);
  detector.MoveTo(workplace.device);
  const auto features = workplace.FeaturesOf(detector, FeatureFolder::Room::kLeave);
  const int side = detector.config().longest_side();
  std::vector<ImageSignals> signals(images.size());
  for (size_t i = 0; i < images.size(); ++i) signals[i].image_key = images[i].key;
  // The next chunk is decoded while this one is on the device.
  const auto decode = [&](size_t begin) {
    return DecodeChunk(images, begin, side, workplace.images);
  };
  std::future<Decoded> next = std::async(std::launch::async, decode, 0);
  for (size_t begin = 0; begin < images.size(); begin += kChunk) {
    const Decoded decoded = next.get();
    if (begin + kChunk < images.size()) {
      next = std::async(std::launch::async, decode, begin + kChunk);
    }
    const absl::Status status = EmbedChunk(detector, features.get(), decoded, &signals[begin]);
    if (!status.ok()) return status;
    const double done = static_cast<double>(std::min(images.size(), begin + kChunk));
    if (progress && !progress(done / static_cast<double>(images.size()))) {
      return absl::CancelledError("the work was asked to stop");
    }
  }
  return signals;
}

// Decoding happens in the caller's thread, so that the device thread does nothing else meanwhile.
absl::StatusOr<std::vector<Predictions>> PredictImages(
    const core::Detector& detector, const std::vector<absl::StatusOr<domain::Pixels>>& decoded,
    double min_score, core::FeatureCache* features) {
  std::vector<Predictions> results(decoded.size());
  std::vector<core::Sample> samples;
  std::vector<size_t> decodable;
  for (size_t i = 0; i < decoded.size(); ++i) {
    if (!decoded[i].ok()) {
      results[i].error = std::string(decoded[i].status().message());
      continue;
    }
    CachedImage image = ToTensor(*decoded[i]);
    if (features != nullptr) image = Named(std::move(image));
    samples.emplace_back().image = image.pixels;
    samples.back().content = image.content;
    decodable.push_back(i);
  }
  core::PredictConfig config = core::DefaultPredictConfig(detector.config());
  if (min_score > 0) config.min_score = static_cast<float>(min_score);
  const auto found = core::Predict(detector, samples, config, features);
  for (size_t i = 0; i < decodable.size(); ++i) {
    const domain::Pixels& pixels = *decoded[decodable[i]];
    Predictions& out = results[decodable[i]];
    out.width = pixels.original_width;
    out.height = pixels.original_height;
    out.boxes = ToBoxes(found[i], pixels.width, pixels.height, out.width, out.height);
  }
  return results;
}

}  // namespace

absl::StatusOr<std::vector<ImageSignals>> TorchRuntime::Embed(const std::string& weights_path,
                                                              const std::vector<Image>& images,
                                                              const domain::Progress& progress) {
  return device_->Run([&] { return EmbedImages(weights_path, images, progress, workplace()); });
}

absl::StatusOr<std::vector<Predictions>> TorchRuntime::Predict(
    const domain::CallContext& call, const std::string& weights_path,
    const std::vector<domain::Image>& images, const std::vector<std::string>& bytes,
    const PredictOptions& options) {
  return Guarded([&]() -> absl::StatusOr<std::vector<Predictions>> {
    const std::shared_ptr<const core::Detector> detector = models_->Get(weights_path);
    const int side = detector->config().longest_side();
    domain::CallContext fetching = call;
    fetching.deadline = std::min(call.deadline, absl::Now() + kFetchTime);
    std::vector<absl::StatusOr<domain::Pixels>> decoded;
    for (size_t i = 0; i < images.size(); ++i) {
      const bool given = images[i].source.location.empty();
      if (given && i >= bytes.size()) {
        return absl::InvalidArgumentError(absl::StrCat("images[", i, "] has no source"));
      }
      decoded.push_back(given ? loader_->LoadBytes(bytes[i], images[i].source.oriented, side)
                              : loader_->Load(fetching, images[i].source, side));
      const absl::Status waiting = call.Check();
      if (!waiting.ok()) return waiting;
    }
    const std::unique_ptr<core::FeatureCache> features =
        options.keep_features ? workplace().FeaturesOf(*detector, FeatureFolder::Room::kLeave)
                              : nullptr;
    return predictions_->Run(
        [&] { return PredictImages(*detector, decoded, options.min_score, features.get()); });
  });
}

}  // namespace mgral::runtime
