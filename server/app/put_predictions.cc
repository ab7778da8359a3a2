#include "server/app/put_predictions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/field_errors.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

using domain::Box;
using domain::Image;
using External = domain::DetectorRuntime::ExternalPredictions;

constexpr double kMaxCoordinate = 1e7;  // in pixels; no image is so large

// What is wrong with the numbers of a box; its image's size is left aside.
void CheckPredictedBox(const BoxInput& box, const std::string& prefix, FieldErrors* errors) {
  const std::pair<const char*, double> numbers[] = {
      {"x_min", box.x_min}, {"y_min", box.y_min}, {"width", box.width}, {"height", box.height}};
  for (const auto& [name, value] : numbers) {
    const bool size = name[0] == 'w' || name[0] == 'h';
    if (!(std::abs(value) <= kMaxCoordinate)) {
      errors->Add(prefix + name,
                  absl::StrCat("is ", value, ": it must be a number of at most ", kMaxCoordinate));
    } else if (size && value <= 0) {
      errors->Add(prefix + name, absl::StrCat("is ", value, ": it must be positive"));
    }
  }
  if (!(box.score > 0 && box.score <= 1)) {
    errors->Add(prefix + "score",
                absl::StrCat("is ", box.score, ": it must be greater than 0 and at most 1"));
  }
}

// The box within the image, as far as its size is known; without area where it lies outside.
Box CutAtBorder(const BoxInput& box, int class_index, const Image& image) {
  const auto edge = [](double value, int size) {
    return std::max(0.0, size > 0 ? std::min<double>(value, size) : value);
  };
  Box cut;
  cut.x_min = edge(box.x_min, image.width);
  cut.y_min = edge(box.y_min, image.height);
  cut.width = edge(box.x_min + box.width, image.width) - cut.x_min;
  cut.height = edge(box.y_min + box.height, image.height) - cut.y_min;
  cut.class_index = class_index;
  cut.score = box.score;
  return cut;
}

void CheckBoxes(const PredictionsInput& input, const Image& image, const domain::Pool& pool,
                const ClassIndex& classes, std::vector<Box>* boxes, FieldErrors* errors) {
  const auto examine = [&](const BoxInput& box, const std::string& prefix, int class_index) {
    CheckPredictedBox(box, prefix, errors);
    const Box cut = CutAtBorder(box, class_index, image);
    if (errors->empty() && !(cut.width > 0 && cut.height > 0)) {
      errors->Add(prefix + "x_min", absl::StrCat("the box lies outside the image of ", image.width,
                                                 " x ", image.height, " pixels"));
    }
    boxes->push_back(cut);
  };
  ForEachBox(input.boxes, base::kMaxPredictedBoxesPerImage, pool.classes, classes, errors, examine);
}

void CheckEmbedding(const std::vector<float>& embedding, std::optional<int> wanted,
                    FieldErrors* errors) {
  if (embedding.size() > base::kMaxEmbeddingSize) {
    errors->Add("embedding", absl::StrCat("has ", embedding.size(), " numbers; at most ",
                                          base::kMaxEmbeddingSize, " are allowed"));
  } else if (wanted && embedding.size() != static_cast<size_t>(*wanted)) {
    errors->Add("embedding", absl::StrCat("has ", embedding.size(), " numbers; those of the other ",
                                          "images have ", *wanted));
  }
  for (size_t i = 0; i < embedding.size() && errors->empty(); ++i) {
    if (!std::isfinite(embedding[i])) {
      errors->Add(absl::StrCat("embedding[", i, "]"),
                  absl::StrCat("is ", embedding[i], ": it must be a finite number"));
    }
  }
}

absl::Status CheckMessage(absl::Span<const PredictionsInput> predictions) {
  size_t boxes = 0;
  for (const PredictionsInput& input : predictions) boxes += input.boxes.size();
  if (boxes <= base::kMaxPredictedBoxesPerMessage) return absl::OkStatus();
  return base::InvalidField(
      "predictions", absl::StrCat("have ", boxes, " boxes in all; at most ",
                                  base::kMaxPredictedBoxesPerMessage, " are allowed at once"));
}

// One input against its image, nullptr if there is none.
absl::StatusOr<External> Examine(const PredictionsInput& input, const Image* image,
                                 const PutPredictions::Stream& stream, const ClassIndex& classes,
                                 std::optional<int> embedding_size) {
  FieldErrors errors;
  const std::string id_problem = ImageIdProblem(input.image_id);
  const auto quoted = [&] { return base::Quoted(input.image_id); };
  if (!id_problem.empty()) {
    errors.Add("image_id", id_problem);
  } else if (image == nullptr) {
    errors.Add("image_id",
               absl::StrCat(quoted(), " is not registered in pools/", stream.pool.pool_id));
  } else if (stream.seen.count(image->key) > 0) {
    errors.Add("image_id", absl::StrCat(quoted(), " is listed twice in this stream"));
  }
  if (!errors.empty()) return errors.ToStatus();
  External external;
  external.image_key = image->key;
  CheckBoxes(input, *image, stream.pool, classes, &external.boxes, &errors);
  CheckEmbedding(input.embedding, embedding_size, &errors);
  if (!errors.empty()) return errors.ToStatus();
  external.embedding = input.embedding;
  return external;
}

}  // namespace

absl::StatusOr<PutPredictions::Stream> PutPredictions::Begin(const domain::Pool& pool,
                                                             const std::string& model) {
  if (!pool.detector.external()) {
    return base::FailedPrecondition(
        "NOT_EXTERNAL",
        absl::StrCat("pools/", pool.pool_id, " has a detector of mgral's own (profile ",
                     pool.detector.profile,
                     "): predictions can be put in pools of the profile external"),
        "parent");
  }
  const std::string problem = model.empty()
                                  ? "is empty: name your detector and its version, e.g. \"yolo@3\""
                                  : TextProblem(model, base::kMaxTextBytes);
  if (!problem.empty()) return base::InvalidField("model", problem);
  MGRAL_ASSIGN_OR_RETURN(const auto set, predictions_->FindSet(pool.key));
  Stream stream;
  stream.pool = pool;
  stream.model = model;
  if (set && set->model == model) {
    stream.embedding_size = set->embedding_size;
    stream.images = set->images;
  }
  return stream;
}

absl::StatusOr<PutPredictions::Chunk> PutPredictions::Put(
    absl::Span<const PredictionsInput> predictions, Stream* stream) {
  MGRAL_RETURN_IF_ERROR(CheckMessage(predictions));
  std::vector<std::string> ids;
  for (const PredictionsInput& input : predictions) ids.push_back(input.image_id);
  MGRAL_ASSIGN_OR_RETURN(const auto registered, pools_->GetImages(stream->pool.key, ids));
  std::map<std::string, const Image*> image_of;
  for (const Image& image : registered) image_of[image.image_id] = &image;

  const ClassIndex classes = IndexOfClasses(stream->pool.classes);
  std::optional<int> embedding_size = stream->embedding_size;
  Chunk chunk;
  std::vector<External> good;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto image = image_of.find(predictions[i].image_id);
    auto external = Examine(predictions[i], image == image_of.end() ? nullptr : image->second,
                            *stream, classes, embedding_size);
    if (!external.ok()) {
      chunk.refused.push_back(RefusalOf(i, external.status()));
      continue;
    }
    embedding_size = static_cast<int>(external->embedding.size());
    stream->seen.insert(external->image_key);
    good.push_back(*std::move(external));
  }
  if (good.empty()) return chunk;
  MGRAL_ASSIGN_OR_RETURN(
      const auto signals,
      runtime_->Describe(std::move(good), static_cast<int>(stream->pool.classes.size())));
  MGRAL_ASSIGN_OR_RETURN(
      const domain::PredictionSet set,
      predictions_->Put(stream->pool.key,
                        {stream->model, *embedding_size, !stream->has_stored, signals},
                        max_boxes_));
  chunk.stored = static_cast<int64_t>(signals.size());
  stream->has_stored = true;
  stream->embedding_size = embedding_size;
  stream->images = set.images;
  return chunk;
}

}  // namespace mgral::app
