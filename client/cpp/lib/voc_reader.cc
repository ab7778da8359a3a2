#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/dataset_builder.h"
#include "client/cpp/lib/text_file.h"
#include "client/cpp/lib/xml.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

struct Annotation {
  std::string entry;  // the XML file's name
  XmlElement root;
};

// NaN where the element is missing or no number.
double Number(const XmlElement* parent, const char* name) {
  const XmlElement* element = parent == nullptr ? nullptr : parent->Child(name);
  double value = 0;
  if (element == nullptr || !absl::SimpleAtod(element->text, &value)) return std::nan("");
  return value;
}

absl::StatusOr<std::vector<Annotation>> ReadAnnotations(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".xml") files.push_back(it->path());
  }
  if (error) return absl::NotFoundError(absl::StrCat(directory.string(), ": cannot be listed"));
  std::sort(files.begin(), files.end());
  std::vector<Annotation> annotations;
  for (const fs::path& file : files) {
    absl::StatusOr<std::string> text = ReadTextFile(file.string());
    if (!text.ok()) return text.status();
    absl::StatusOr<XmlElement> root = ParseXml(*text);
    if (!root.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(file.string(), ": ", root.status().message()));
    }
    if (root->name != "annotation") {
      return absl::InvalidArgumentError(absl::StrCat(file.string(), ": is <", root->name,
                                                     ">, not the <annotation> of Pascal VOC"));
    }
    annotations.push_back({file.filename().string(), *std::move(root)});
  }
  return annotations;
}

// <filename> if there is such a file, else the annotation's own name with an image's ending: tools
// that rename files often forget the element.
std::string ImageFile(const fs::path& images, const Annotation& annotation, bool require_files) {
  const XmlElement* element = annotation.root.Child("filename");
  const std::string named = element == nullptr ? "" : element->text;
  std::error_code error;
  if (!named.empty() && (!require_files || fs::is_regular_file(images / named, error))) {
    return named;
  }
  const std::string stem = fs::path(annotation.entry).stem().string();
  for (const char* ending : {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"}) {
    if (fs::is_regular_file(images / (stem + ending), error)) return stem + ending;
  }
  return named.empty() ? stem + ".jpg" : named;
}

void AddObject(const XmlElement& object, int image, const std::string& entry,
               DatasetBuilder* builder) {
  const XmlElement* name = object.Child("name");
  if (name == nullptr || name->text.empty()) return builder->Problem(entry, "<name> is missing");
  const XmlElement* corners = object.Child("bndbox");
  const double x_min = Number(corners, "xmin"), y_min = Number(corners, "ymin");
  const double x_max = Number(corners, "xmax"), y_max = Number(corners, "ymax");
  if (!std::isfinite(x_min + y_min + x_max + y_max)) {
    return builder->Problem(entry, "<bndbox> does not hold four finite numbers");
  }
  if (image < 0) return;  // reported already
  DatasetBox box;
  box.x_min = x_min - 1;
  box.y_min = y_min - 1;
  box.width = x_max - x_min + 1;
  box.height = y_max - y_min + 1;
  box.class_index = builder->ClassIndex(name->text);
  const XmlElement* difficult = object.Child("difficult");
  box.ignore = difficult != nullptr && difficult->text == "1";
  builder->AddBox(image, box, entry);
}

absl::Status ReadImageSet(const fs::path& file, const std::string& split, SplitLists* names,
                          const Dataset& dataset, std::vector<int>* list) {
  absl::StatusOr<std::string> text = ReadTextFile(file.string());
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

absl::Status ReadImageSets(const fs::path& directory, Dataset* dataset) {
  std::error_code error;
  const fs::path main = directory / "ImageSets" / "Main";
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

absl::StatusOr<Dataset> ReadVoc(const std::string& directory, const ReadOptions& options) {
  const fs::path root(directory);
  std::error_code error;
  fs::path images = root / "JPEGImages";
  if (!fs::is_directory(images, error)) images = root / "images";
  if (options.require_files && !fs::is_directory(images, error)) {
    return absl::NotFoundError(
        absl::StrCat(directory, ": neither JPEGImages nor images is a directory in it"));
  }
  absl::StatusOr<std::vector<Annotation>> annotations = ReadAnnotations(root / "Annotations");
  if (!annotations.ok()) return annotations.status();

  DatasetBuilder builder((root / "Annotations").string(), images.string(), options);
  std::set<std::string> classes;  // VOC has no list of them: by name
  for (const Annotation& annotation : *annotations) {
    for (const XmlElement& object : annotation.root.children) {
      const XmlElement* name = object.name == "object" ? object.Child("name") : nullptr;
      if (name != nullptr && !name->text.empty()) classes.insert(name->text);
    }
  }
  for (const std::string& name : classes) builder.AddClass(name, "<name>");
  for (const Annotation& annotation : *annotations) {
    if (builder.GivesUp()) break;
    const XmlElement* size = annotation.root.Child("size");
    const double width = Number(size, "width"), height = Number(size, "height");
    const int image = builder.AddImage(ImageFile(images, annotation, options.require_files),
                                       std::isnan(width) ? 0 : width,
                                       std::isnan(height) ? 0 : height, annotation.entry);
    int position = 0;
    for (const XmlElement& object : annotation.root.children) {
      if (object.name != "object") continue;
      const std::string entry = absl::StrCat(annotation.entry, " object ", ++position);
      AddObject(object, image, entry, &builder);
    }
  }
  absl::StatusOr<Dataset> dataset = std::move(builder).Build();
  if (!dataset.ok()) return dataset;
  dataset->name = DatasetName(directory);
  const absl::Status status = ReadImageSets(root, &*dataset);
  if (!status.ok()) return status;
  return dataset;
}

}  // namespace mgral::client
