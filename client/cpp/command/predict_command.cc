// mgral predict
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/text_table.h"

namespace mgral::client {
namespace {

// Of one Predict call: small enough that its answer comes well before the deadline.
constexpr int kPredictImages = 16;
constexpr int64_t kPredictBytes = 32 << 20;

struct PredictOptions {
  std::string pool, out;
  std::vector<std::string> files, images;
  double min_score = 0.05;
};

// The images to predict: files of this machine, then images of the pool.
absl::StatusOr<v1::PredictImage> PredictImageAt(const PredictOptions& options, size_t position) {
  v1::PredictImage image;
  if (position >= options.files.size()) {
    image.set_image_id(options.images[position - options.files.size()]);
    return image;
  }
  const std::string& path = options.files[position];
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || bytes.empty()) return UsageError(absl::StrCat(path, ": cannot be read"));
  image.set_image_id(std::filesystem::path(path).filename().string());
  image.mutable_source()->set_data(bytes);
  return image;
}

void PrintPredictions(const v1::PredictResponse& response, std::ostream& out) {
  TextTable table({"IMAGE", "CLASS", "SCORE", "X", "Y", "WIDTH", "HEIGHT"});
  for (const v1::ImagePredictions& image : response.predictions()) {
    if (!image.error().empty()) {
      table.Add(
          {image.image_id(), absl::StrCat("error: ", image.error()), "-", "-", "-", "-", "-"});
    }
    for (const v1::Box& box : image.boxes()) {
      table.Add({image.image_id(), box.class_name(), absl::StrFormat("%.3f", box.score()),
                 absl::StrFormat("%.1f", box.x_min()), absl::StrFormat("%.1f", box.y_min()),
                 absl::StrFormat("%.1f", box.width()), absl::StrFormat("%.1f", box.height())});
    }
  }
  table.Print(out);
}

absl::StatusOr<v1::PredictResponse> PredictAll(const PredictOptions& options, Client& client,
                                               Session& session) {
  const size_t total = options.files.size() + options.images.size();
  const auto bar = session.Progress("predicting", static_cast<int64_t>(total), "images");
  v1::PredictResponse all;
  for (size_t next = 0; next < total;) {
    v1::PredictRequest request;
    request.set_model(PoolName(options.pool));
    request.set_min_score(options.min_score);
    int64_t bytes = 0;
    while (next < total && request.images_size() < kPredictImages && bytes < kPredictBytes) {
      absl::StatusOr<v1::PredictImage> image = PredictImageAt(options, next++);
      if (!image.ok()) return image.status();
      bytes += static_cast<int64_t>(image->ByteSizeLong());
      *request.add_images() = *std::move(image);
    }
    absl::StatusOr<v1::PredictResponse> response = client.Predict(request);
    if (!response.ok()) return response.status();
    all.set_model(response->model());
    all.mutable_predictions()->MergeFrom(response->predictions());
    bar->Set(static_cast<int64_t>(next));
  }
  return all;
}

absl::Status Predict(const PredictOptions& options, Session& session) {
  if (options.files.empty() && options.images.empty()) {
    return UsageError("which images? Give files, or --images with ids of images of the pool");
  }
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<v1::PredictResponse> response = PredictAll(options, **client, session);
  if (!response.ok()) return response.status();
  const Json document = ToJson(*response);
  if (session.json) {
    session.PrintJson(document);
  } else {
    PrintPredictions(*response, session.out());
  }
  if (!options.out.empty()) {
    if (absl::Status status = WriteFile(options.out, document.dump(2) + "\n"); !status.ok()) {
      return status;
    }
  }
  int failed = 0;
  for (const v1::ImagePredictions& image : response->predictions()) {
    failed += image.error().empty() ? 0 : 1;
  }
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(failed, " images could not be predicted"));
}

}  // namespace

void AddPredictCommand(CLI::App& app, Session& session) {
  auto options = std::make_shared<PredictOptions>();
  auto* predict = app.add_subcommand("predict", "Detect objects in images");
  predict->footer(
      "Examples:\n"
      "  mgral predict cells photo1.jpg photo2.jpg --min-score 0.3\n"
      "  mgral predict pools/cells/models/2 --images a.jpg,b.jpg   (images of the pool)");
  predict
      ->add_option("model", options->pool,
                   "A pool (its published model), or pools/POOL/models/MODEL")
      ->required();
  predict->add_option("files", options->files, "Image files (JPEG, PNG, WebP, BMP, or TIFF)");
  predict->add_option("--images", options->images, "Ids of images of the pool, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  predict->add_option("--min-score", options->min_score, "Omit boxes below this score")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  predict->add_option("--out", options->out, "Write the predictions as JSON to this file")
      ->type_name("FILE");
  predict->callback([options, &session] { session.Finish(Predict(*options, session)); });
}

}  // namespace mgral::client
