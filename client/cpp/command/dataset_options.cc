#include "client/cpp/command/dataset_options.h"

#include <filesystem>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

namespace mgral::client {
namespace {

constexpr size_t kWarningsShown = 5;

void ReportWarnings(const Dataset& dataset, Session& session) {
  const int64_t mended = dataset.clipped_boxes + dataset.dropped_boxes;
  for (size_t i = 0; i < dataset.warnings.size() && i < kWarningsShown; ++i) {
    session.Note(absl::StrCat("warning: ", dataset.warnings[i]));
  }
  if (mended > 0) {
    session.Note(absl::StrCat("warning: ", dataset.clipped_boxes, " boxes clipped, ",
                              dataset.dropped_boxes, " dropped"));
  }
}

}  // namespace

void AddDatasetOptions(CLI::App& command, DatasetOptions* options) {
  auto* coco = command.add_option("--coco", options->coco, "The dataset: a COCO JSON file")
                   ->type_name("FILE");
  auto* images =
      command
          .add_option("--images", options->images,
                      options->allows_unlabeled
                          ? "A directory of images (JPEG, PNG), with all below it; with --coco the "
                            "directory of that file's images (default: images, beside the file)"
                          : "The directory of the COCO file's images (default: images, beside the "
                            "file)")
          ->type_name("DIR");
  if (!options->allows_unlabeled) images->needs(coco);
  command
      .add_option("--voc", options->voc,
                  "The dataset: a directory with Annotations/*.xml and JPEGImages")
      ->type_name("DIR")
      ->excludes(coco)
      ->excludes(images);
}

absl::StatusOr<Dataset> ReadChosenDataset(const DatasetOptions& options, const ReadOptions& read,
                                          Session& session) {
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
                                   options.allows_unlabeled ? ", --images DIR" : "",
                                   " or --voc DIR"));
  }
  if (!dataset.ok()) return UsageError(std::string(dataset.status().message()));
  if (!options.splits.empty()) {
    absl::StatusOr<DatasetSplits> splits = ReadSplits(options.splits, *dataset);
    if (!splits.ok()) return UsageError(std::string(splits.status().message()));
    dataset->splits = *std::move(splits);
  }
  ReportWarnings(*dataset, session);
  return dataset;
}

}  // namespace mgral::client
