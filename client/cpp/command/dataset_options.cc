#include "client/cpp/command/dataset_options.h"

#include <filesystem>
#include <optional>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

namespace mgral::client {
namespace {

constexpr size_t kWarningsShown = 5;

}  // namespace

void ReportReading(const Dataset& dataset, Session& session) {
  for (const std::string& note : dataset.notes) session.Note(absl::StrCat("note: ", note));
  for (size_t i = 0; i < dataset.warnings.size() && i < kWarningsShown; ++i) {
    session.Note(absl::StrCat("warning: ", dataset.warnings[i]));
  }
  if (dataset.clipped_boxes + dataset.dropped_boxes > 0) {
    session.Note(absl::StrCat("warning: ", dataset.clipped_boxes, " boxes clipped, ",
                              dataset.dropped_boxes, " dropped"));
  }
}

absl::StatusOr<std::vector<std::string>> PoolImages(const std::string& pool, Client& client) {
  v1::ListImagesRequest request;
  request.set_parent(PoolName(pool));
  request.set_page_size(1000);
  Pages<v1::Image> images = client.ListImages(request);
  std::vector<std::string> ids;
  for (;;) {
    absl::StatusOr<std::optional<v1::Image>> image = images.Next();
    if (!image.ok()) return image.status();
    if (!image->has_value()) return ids;
    ids.push_back((*image)->image_id());
  }
}

void AddVocCornersOption(CLI::App& command, std::string* corners) {
  command
      .add_option("--voc-corners", *corners,
                  "Whether the corners of VOC boxes count from 0 (Label Studio, CVAT) or from 1 "
                  "(Pascal VOC); auto decides from the files")
      ->check(CLI::IsMember({"auto", "0", "1"}))
      ->capture_default_str();
}

void AddDatasetOptions(CLI::App& command, DatasetOptions* options) {
  auto* coco = command.add_option("--coco", options->coco, "The dataset: a COCO JSON file")
                   ->type_name("FILE");
  auto* images =
      command
          .add_option("--images", options->images,
                      options->allows_unlabeled
                          ? "A folder of images (JPEG, PNG, WebP, BMP, TIFF), searched "
                            "recursively; with --coco, "
                            "the folder of that file's images (default: images beside the file)"
                          : "The folder of the COCO file's images (default: images beside the "
                            "file)")
          ->type_name("DIR");
  if (!options->allows_unlabeled) images->needs(coco);
  command
      .add_option("--voc", options->voc,
                  "The dataset: a folder with Annotations/*.xml and JPEGImages")
      ->type_name("DIR")
      ->excludes(coco)
      ->excludes(images);
  AddVocCornersOption(command, &options->voc_corners);
}

absl::StatusOr<Dataset> ReadChosenDataset(const DatasetOptions& options, ReadOptions read,
                                          Session& session) {
  const absl::StatusOr<VocCorners> corners = ParseVocCorners(options.voc_corners);
  if (!corners.ok()) return UsageError(std::string(corners.status().message()));
  read.voc_corners = *corners;
  absl::StatusOr<Dataset> dataset;
  if (!options.coco.empty()) {
    const std::string images =
        options.images.empty()
            ? (std::filesystem::path(options.coco).parent_path() / "images").string()
            : options.images;
    dataset = ReadCoco(options.coco, images, read);
  } else if (!options.voc.empty()) {
    dataset = ReadVoc(options.voc, read);
    if (dataset.ok()) dataset->splits.reset();  // only what was asked for
  } else if (options.allows_unlabeled && !options.images.empty()) {
    dataset = ReadFolder(options.images);
  } else {
    return UsageError(absl::StrCat("which dataset? Give --coco FILE",
                                   options.allows_unlabeled ? ", --images DIR," : "",
                                   " or --voc DIR"));
  }
  if (!dataset.ok()) return UsageError(std::string(dataset.status().message()));
  if (!options.splits.empty()) {
    absl::StatusOr<DatasetSplits> splits = ReadSplits(options.splits, *dataset);
    if (!splits.ok()) return UsageError(std::string(splits.status().message()));
    dataset->splits = *std::move(splits);
  }
  ReportReading(*dataset, session);
  return dataset;
}

}  // namespace mgral::client
