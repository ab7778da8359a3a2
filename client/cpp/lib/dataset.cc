#include "client/cpp/lib/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cpp/lib/dataset_builder.h"
#include "client/cpp/lib/text_file.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxWarnings = 100;
constexpr size_t kMaxFileNameBytes = 1024;
constexpr size_t kMaxImageIdBytes = 256;
constexpr double kMaxSide = 1e6;  // pixels
constexpr double kTolerance = 1;  // pixels that a box may pass the edge without a word
constexpr uintmax_t kMaxImageBytes = 60 << 20;  // leaves room in a message of 64 MiB

// What is wrong with a file name that is to be joined to a directory; empty if nothing.
std::string NameProblem(const std::string& name) {
  if (name.empty()) return "the file name is empty";
  if (name.size() > kMaxFileNameBytes) return "the file name is longer than 1024 bytes";
  if (name[0] == '/') return absl::StrCat("\"", name, "\" is an absolute path");
  for (const unsigned char c : name) {
    if (c < 0x20 || c == 0x7F) return "the file name holds a control character";
  }
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part == ".." || part == "." || part.empty()) {
      return absl::StrCat("\"", name, "\" holds \"..\", \".\" or an empty part");
    }
  }
  return "";
}

// The length of [low, high]; rounding must not carry low + length past high, the server would
// refuse such a box.
double Length(double low, double high) {
  double length = high - low;
  while (length > 0 && low + length > high) length = std::nextafter(length, 0.0);
  return length;
}

}  // namespace

DatasetBuilder::DatasetBuilder(std::string file, std::string images_directory,
                               const ReadOptions& options)
    : file_(std::move(file)), images_directory_(std::move(images_directory)), options_(options) {}

void DatasetBuilder::Problem(const std::string& entry, const std::string& what) {
  if (!GivesUp()) problems_.push_back(absl::StrCat(file_, ": ", entry, ": ", what));
}

void DatasetBuilder::Warn(const std::string& text) {
  if (dataset_.warnings.size() < kMaxWarnings) dataset_.warnings.push_back(text);
}

void DatasetBuilder::AddClass(const std::string& name, const std::string& entry) {
  if (name.empty()) return Problem(entry, "the class has no name");
  const int position = static_cast<int>(dataset_.classes.size());
  if (!class_positions_.emplace(name, position).second) {
    return Problem(entry, absl::StrCat("class \"", name, "\" is there twice"));
  }
  dataset_.classes.push_back(name);
}

int DatasetBuilder::AddImage(std::string file_name, double width, double height,
                             const std::string& entry) {
  std::replace(file_name.begin(), file_name.end(), '\\', '/');
  const std::string wrong = NameProblem(file_name);
  if (!wrong.empty()) {
    Problem(entry, wrong);
    return -1;
  }
  const bool known_size = width != 0 || height != 0;
  const bool valid_size = width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                          width == std::floor(width) && height == std::floor(height);
  if (known_size && !valid_size) {
    Problem(entry, absl::StrFormat("the image's size %g x %g is not in whole pixels from 1 to %g",
                                   width, height, kMaxSide));
    return -1;
  }
  DatasetImage image;
  image.image_id = absl::StrReplaceAll(file_name, {{"/", ":"}});
  image.path = (fs::path(images_directory_) / file_name).string();
  image.file_name = std::move(file_name);
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  if (image.image_id.size() > kMaxImageIdBytes) {
    Problem(entry, "the file name is too long for an image_id (256 bytes): rename the file");
    return -1;
  }
  const auto [other, inserted] = image_entries_.emplace(image.image_id, entry);
  if (!inserted) {
    Problem(entry, absl::StrCat("\"", image.file_name, "\" is also ", other->second));
    return -1;
  }
  std::error_code error;
  if (options_.require_files && !fs::is_regular_file(image.path, error)) {
    Problem(entry, absl::StrCat("there is no file ", image.path));
    return -1;
  }
  dataset_.images.push_back(std::move(image));
  return static_cast<int>(dataset_.images.size()) - 1;
}

void DatasetBuilder::AddBox(int image_position, const DatasetBox& box, const std::string& entry) {
  if (!std::isfinite(box.x_min) || !std::isfinite(box.y_min) || !std::isfinite(box.width) ||
      !std::isfinite(box.height)) {
    return Problem(entry, "the box holds a number that is not finite");
  }
  DatasetImage& image = dataset_.images[image_position];
  const double right = image.width > 0 ? image.width : box.x_min + box.width;
  const double bottom = image.height > 0 ? image.height : box.y_min + box.height;
  const double x0 = std::max(box.x_min, 0.0), x1 = std::min(box.x_min + box.width, right);
  const double y0 = std::max(box.y_min, 0.0), y1 = std::min(box.y_min + box.height, bottom);
  const std::string numbers =
      absl::StrFormat("[%g, %g, %g, %g]", box.x_min, box.y_min, box.width, box.height);
  DatasetBox mended = box;
  mended.x_min = x0;
  mended.y_min = y0;
  mended.width = Length(x0, x1);
  mended.height = Length(y0, y1);
  if (!(mended.width > 0 && mended.height > 0) || !std::isfinite(mended.width) ||
      !std::isfinite(mended.height)) {
    ++dataset_.dropped_boxes;
    return Warn(absl::StrCat(file_, ": ", entry, ": dropped the box ", numbers, " of ",
                             image.file_name, ": it has no area inside the image"));
  }
  const double passed = std::max(
      {x0 - box.x_min, y0 - box.y_min, box.x_min + box.width - x1, box.y_min + box.height - y1});
  if (passed > kTolerance) {
    ++dataset_.clipped_boxes;
    Warn(absl::StrCat(file_, ": ", entry, ": clipped the box ", numbers, " to the ", image.width,
                      " x ", image.height, " pixels of ", image.file_name));
  }
  image.boxes.push_back(mended);
}

absl::StatusOr<Dataset> DatasetBuilder::Build() && {
  if (problems_.empty() && dataset_.images.empty()) {
    problems_.push_back(absl::StrCat(file_, ": there are no images in it"));
  }
  if (!problems_.empty()) {
    std::string text = absl::StrJoin(problems_, "\n");
    if (GivesUp()) absl::StrAppend(&text, "\n(and maybe more)");
    return absl::InvalidArgumentError(text);
  }
  return std::move(dataset_);
}

SplitLists::SplitLists(std::string file, const Dataset& dataset) : file_(std::move(file)) {
  for (size_t i = 0; i < dataset.images.size(); ++i) {
    positions_[dataset.images[i].file_name] = static_cast<int>(i);
  }
}

absl::Status SplitLists::Add(const std::string& file_name, const std::string& split,
                             std::vector<int>* list) {
  const auto found = positions_.find(file_name);
  if (found == positions_.end()) {
    return absl::InvalidArgumentError(absl::StrCat(file_, ": \"", split, "\" names \"", file_name,
                                                   "\", which the dataset does not have"));
  }
  const auto [other, inserted] = taken_.emplace(found->second, split);
  if (!inserted) {
    return absl::InvalidArgumentError(absl::StrCat(file_, ": \"", file_name, "\" is in \"", split,
                                                   "\" and in \"", other->second, "\""));
  }
  list->push_back(found->second);
  return absl::OkStatus();
}

std::string DatasetName(const std::string& directory) {
  std::error_code error;
  fs::path path = fs::absolute(directory, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

absl::StatusOr<Dataset> ReadDataset(const std::string& directory, const std::string& splits_file) {
  const fs::path root(directory);
  std::error_code error;
  absl::StatusOr<Dataset> dataset;
  if (fs::is_regular_file(root / "annotations.json", error)) {
    dataset = ReadCoco((root / "annotations.json").string(), (root / "images").string());
  } else if (fs::is_directory(root / "Annotations", error)) {
    dataset = ReadVoc(directory);
  } else {
    return absl::NotFoundError(
        absl::StrCat(directory, ": is no dataset: neither annotations.json (COCO) nor a directory ",
                     "Annotations (VOC) is in it"));
  }
  if (!dataset.ok()) return dataset;
  dataset->name = DatasetName(directory);
  const std::string file = splits_file.empty() ? (root / "splits.json").string() : splits_file;
  if (!splits_file.empty() || fs::is_regular_file(file, error)) {
    absl::StatusOr<DatasetSplits> splits = ReadSplits(file, *dataset);
    if (!splits.ok()) return splits.status();
    dataset->splits = *std::move(splits);
  }
  return dataset;
}

absl::StatusOr<v1::NewImage> ToNewImage(const DatasetImage& image, v1::ImageUse use,
                                        const std::optional<std::string>& server_path) {
  v1::NewImage result;
  result.set_image_id(image.image_id);
  result.set_use(use);
  if (server_path.has_value()) {
    std::string prefix = *server_path;
    while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
    result.mutable_source()->set_path(prefix.empty() ? image.file_name
                                                     : absl::StrCat(prefix, "/", image.file_name));
    return result;
  }
  std::error_code error;
  const uintmax_t size = fs::file_size(image.path, error);
  if (!error && size > kMaxImageBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(image.path, ": is ", size, " bytes, too many for a message: put it below ",
                     "the server's image root and use --server-path"));
  }
  absl::StatusOr<std::string> bytes = ReadTextFile(image.path);
  if (!bytes.ok()) return bytes.status();
  result.mutable_source()->set_data(*std::move(bytes));
  return result;
}

v1::NewLabels ToNewLabels(const Dataset& dataset, const DatasetImage& image) {
  v1::NewLabels labels;
  labels.set_image_id(image.image_id);
  for (const DatasetBox& box : image.boxes) {
    v1::Box* added = labels.add_boxes();
    added->set_x_min(box.x_min);
    added->set_y_min(box.y_min);
    added->set_width(box.width);
    added->set_height(box.height);
    added->set_class_name(dataset.classes[box.class_index]);
    added->set_ignore(box.ignore);
  }
  return labels;
}

}  // namespace mgral::client
