#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/dataset_builder.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/lib/voc_annotation.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

// What tells how corners are counted.
struct CornerEvidence {
  int64_t objects = 0;
  int64_t at_zero = 0;       // objects that begin before the first pixel of a count from 1
  int64_t zero_writers = 0;  // files of tools that count from 0
  int64_t voc_writers = 0;   // files of Pascal VOC itself
};

CornerEvidence FindEvidence(const std::vector<VocAnnotation>& annotations) {
  CornerEvidence evidence;
  const auto at_zero = [](double corner) { return corner >= 0 && corner < 1; };
  for (const VocAnnotation& annotation : annotations) {
    if (annotation.writer == VocWriter::kPascalVoc) ++evidence.voc_writers;
    if (annotation.writer == VocWriter::kLabelStudio || annotation.writer == VocWriter::kDatumaro) {
      ++evidence.zero_writers;
    }
    for (const VocObject& object : annotation.objects) {
      ++evidence.objects;
      if (at_zero(object.corners[0]) || at_zero(object.corners[1])) ++evidence.at_zero;
    }
  }
  return evidence;
}

// How corners are counted, and in `note` why. One file of a dataset decides for all: a single
// program wrote them.
absl::StatusOr<VocCorners> DecideCorners(const std::vector<VocAnnotation>& annotations,
                                         std::string* note) {
  const CornerEvidence evidence = FindEvidence(annotations);
  const std::string zero = absl::StrCat(
      evidence.at_zero, " of ", evidence.objects, " boxes begin at 0, ", evidence.zero_writers,
      " of ", annotations.size(), " files are from Label Studio, CVAT or Datumaro");
  const bool from_zero = evidence.at_zero > 0 || evidence.zero_writers > 0;
  if (from_zero && evidence.voc_writers > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "do the corners count from 0 or from 1? ", zero, ", but ", evidence.voc_writers,
        " are Pascal VOC's own, which counts from 1: say "
        "--voc-corners=0 or --voc-corners=1"));
  }
  if (from_zero) {
    *note = absl::StrCat("corners count from 0: ", zero);
    return VocCorners::kFromZero;
  }
  if (evidence.objects > 0) {
    *note = evidence.voc_writers > 0
                ? "corners count from 1: the files are Pascal VOC's own"
                : "corners count from 1, as in Pascal VOC: no box begins at 0, which would prove "
                  "otherwise (--voc-corners=0)";
  }
  return VocCorners::kFromOne;
}

// <filename> if there is such a file, else the annotation's own name with an image's ending: tools
// that rename files often forget the element.
std::string ImageFile(const fs::path& images, const VocAnnotation& annotation, bool require_files) {
  const std::string& named = annotation.filename;
  std::error_code error;
  if (!named.empty() && (!require_files || fs::is_regular_file(images / named, error))) {
    return named;
  }
  const std::string stem = fs::path(annotation.entry).stem().string();
  for (const char* ending : {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".JPG",
                             ".JPEG", ".PNG", ".WEBP", ".BMP", ".TIF", ".TIFF"}) {
    if (fs::is_regular_file(images / (stem + ending), error)) return stem + ending;
  }
  return named.empty() ? stem + ".jpg" : named;
}

void AddObject(const VocObject& object, VocCorners corners, int image, const std::string& entry,
               DatasetBuilder* builder) {
  if (object.name.empty()) return builder->Problem(entry, "<name> is missing");
  const auto& [x_min, y_min, x_max, y_max] = object.corners;
  if (!std::isfinite(x_min + y_min + x_max + y_max)) {
    return builder->Problem(entry, "<bndbox> does not hold four finite numbers");
  }
  if (image < 0) return;  // reported already
  const double first = corners == VocCorners::kFromOne ? 1 : 0;
  DatasetBox box;
  box.x_min = x_min - first;
  box.y_min = y_min - first;
  box.width = x_max - x_min + first;
  box.height = y_max - y_min + first;
  box.class_index = builder->ClassIndex(object.name);
  box.ignore = object.difficult;
  builder->AddBox(image, box, entry);
}

// Classes in the order of their names: VOC has no list of them.
void AddClasses(const std::vector<VocAnnotation>& annotations, DatasetBuilder* builder) {
  std::set<std::string> classes;
  for (const VocAnnotation& annotation : annotations) {
    for (const VocObject& object : annotation.objects) {
      if (!object.name.empty()) classes.insert(object.name);
    }
  }
  for (const std::string& name : classes) builder->AddClass(name, "<name>");
}

absl::Status ReadImageSet(const fs::path& file, const std::string& split, SplitLists* names,
                          const Dataset& dataset, std::vector<int>* list) {
  absl::StatusOr<std::string> text = ReadFile(file.string());
  if (!text.ok()) return text.status();
  std::map<std::string, std::string> by_stem;
  for (const DatasetImage& image : dataset.images) {
    by_stem[fs::path(image.file_name).stem().string()] = image.file_name;
  }
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    const auto found = by_stem.find(words[0]);
    const absl::Status status =
        names->Add(found == by_stem.end() ? words[0] : found->second, split, list);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadImageSets(const fs::path& folder, Dataset* dataset) {
  std::error_code error;
  const fs::path main = folder / "ImageSets" / "Main";
  if (!fs::is_regular_file(main / "train.txt", error)) return absl::OkStatus();
  DatasetSplits splits;
  SplitLists names(main.string(), *dataset);
  const std::pair<const char*, std::vector<int>*> lists[] = {
      {"train", &splits.train}, {"val", &splits.validation}, {"test", &splits.test}};
  for (const auto& [split, list] : lists) {
    const fs::path file = main / absl::StrCat(split, ".txt");
    if (!fs::is_regular_file(file, error)) continue;
    const absl::Status status = ReadImageSet(file, split, &names, *dataset, list);
    if (!status.ok()) return status;
  }
  dataset->splits = std::move(splits);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VocCorners> ParseVocCorners(const std::string& text) {
  if (text == "auto") return VocCorners::kAuto;
  if (text == "0") return VocCorners::kFromZero;
  if (text == "1") return VocCorners::kFromOne;
  return absl::InvalidArgumentError(
      absl::StrCat("--voc-corners: \"", text, "\" is none of auto, 0 and 1"));
}

absl::StatusOr<Dataset> ReadVoc(const std::string& folder, const ReadOptions& options) {
  const fs::path root(folder);
  std::error_code error;
  fs::path images = root / "JPEGImages";
  if (!fs::is_directory(images, error)) images = root / "images";
  if (options.require_files && !fs::is_directory(images, error)) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": neither JPEGImages nor images is a folder in it"));
  }
  absl::StatusOr<std::vector<VocAnnotation>> annotations =
      ReadVocAnnotations((root / "Annotations").string());
  if (!annotations.ok()) return annotations.status();
  const std::string file = (root / "Annotations").string();
  absl::StatusOr<VocCorners> corners = options.voc_corners;
  std::string note;
  if (options.voc_corners == VocCorners::kAuto) corners = DecideCorners(*annotations, &note);
  if (!corners.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", corners.status().message()));
  }
  DatasetBuilder builder(file, images.string(), options);
  AddClasses(*annotations, &builder);
  for (const VocAnnotation& annotation : *annotations) {
    if (builder.GivesUp()) break;
    const int image =
        builder.AddImage(ImageFile(images, annotation, options.require_files),
                         std::isnan(annotation.width) ? 0 : annotation.width,
                         std::isnan(annotation.height) ? 0 : annotation.height, annotation.entry);
    for (size_t i = 0; i < annotation.objects.size(); ++i) {
      const std::string entry = absl::StrCat(annotation.entry, " object ", i + 1);
      AddObject(annotation.objects[i], *corners, image, entry, &builder);
    }
  }
  absl::StatusOr<Dataset> dataset = std::move(builder).Build();
  if (!dataset.ok()) return dataset;
  dataset->name = DatasetName(folder);
  if (!note.empty()) dataset->notes.push_back(absl::StrCat(file, ": ", note));
  const absl::Status status = ReadImageSets(root, &*dataset);
  if (!status.ok()) return status;
  return dataset;
}

}  // namespace mgral::client
