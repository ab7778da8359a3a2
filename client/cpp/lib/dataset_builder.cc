#include "client/cpp/lib/dataset_builder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxWarnings = 100;
constexpr size_t kMaxFileNameBytes = 1024;
constexpr size_t kMaxImageIdBytes = 256;
constexpr char kTooLongForAnId[] =
    "the file name is too long for an image_id (256 bytes): rename the file";
constexpr double kMaxSide = 1e6;  // pixels
constexpr double kTolerance = 1;  // pixels that a box may extend past the edge without a warning

// What is wrong with a text that is to be a file name or an image id; empty if nothing.
std::string TextProblem(const std::string& text, const std::string& what, size_t max_bytes) {
  if (text.empty()) return absl::StrCat("the ", what, " is empty");
  if (text.size() > max_bytes) {
    return absl::StrCat("the ", what, " is longer than ", max_bytes, " bytes");
  }
  for (const unsigned char c : text) {
    if (c < 0x20 || c == 0x7F) return absl::StrCat("the ", what, " holds a control character");
  }
  return "";
}

// Why a file name may not be joined to a folder; empty if it may.
std::string PathProblem(const std::string& name) {
  if (name[0] == '/') return absl::StrCat("\"", name, "\" is an absolute path");
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part == ".." || part == "." || part.empty()) {
      return absl::StrCat("\"", name, "\" holds \"..\", \".\" or an empty part");
    }
  }
  return "";
}

// What is wrong with an image's size; empty if nothing.
std::string SizeProblem(double width, double height) {
  const bool known = width != 0 || height != 0;
  const bool valid = width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                     width == std::floor(width) && height == std::floor(height);
  if (!known || valid) return "";
  return absl::StrFormat("the image's size %g x %g is not in whole pixels from 1 to %g", width,
                         height, kMaxSide);
}

// The length of [low, high]; rounding must not carry low + length past high, the server would
// refuse such a box.
double Length(double low, double high) {
  double length = high - low;
  while (length > 0 && low + length > high) length = std::nextafter(length, 0.0);
  return length;
}

}  // namespace

DatasetBuilder::DatasetBuilder(std::string file, std::string images_folder,
                               const ReadOptions& options)
    : file_(std::move(file)), images_folder_(std::move(images_folder)), options_(options) {}

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
                             const std::string& entry, const std::string& image_id) {
  std::replace(file_name.begin(), file_name.end(), '\\', '/');
  DatasetImage image;
  image.listed_name = image.file_name = std::move(file_name);
  image.listed_id = image.image_id = image_id;
  std::string wrong = TextProblem(image.listed_name, "file name", kMaxFileNameBytes);
  if (wrong.empty()) wrong = SizeProblem(width, height);
  if (wrong.empty()) wrong = options_.require_files ? FindFile(&image) : CheckName(&image);
  if (wrong.empty() && !image.image_id.empty()) {
    const auto [other, inserted] = image_entries_.emplace(image.image_id, entry);
    if (!inserted) {
      wrong = absl::StrCat("\"", image.listed_name, "\" is also ", other->second);
    }
  }
  if (!wrong.empty()) {
    Problem(entry, wrong);
    return -1;
  }
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  dataset_.images.push_back(std::move(image));
  return static_cast<int>(dataset_.images.size()) - 1;
}

std::string DatasetBuilder::CheckName(DatasetImage* image) {
  const std::string wrong = PathProblem(image->file_name);
  if (!wrong.empty() && !options_.any_file_name) return wrong;
  if (!image->image_id.empty()) {
    if (absl::StrContains(image->image_id, '/')) return "the image id holds a \"/\"";
    return TextProblem(image->image_id, "image id", kMaxImageIdBytes);
  }
  if (!wrong.empty()) return "";  // MatchImages will look for it
  image->image_id = ImageIdOfFile(image->file_name);
  return image->image_id.size() <= kMaxImageIdBytes ? "" : kTooLongForAnId;
}

std::string DatasetBuilder::FindFile(DatasetImage* image) {
  const fs::path root(images_folder_);
  const std::string wrong = PathProblem(image->listed_name);
  std::error_code error;
  MatchedBy by = MatchedBy::kPath;
  if (!wrong.empty() || !fs::is_regular_file(root / image->listed_name, error)) {
    if (matcher_ == nullptr) {
      files_ = ListImageFiles(images_folder_).value_or(std::vector<std::string>());
      std::vector<std::string> ids;
      for (const std::string& file : files_) ids.push_back(ImageIdOfFile(file));
      matcher_ = std::make_unique<ImageMatcher>(ids);
    }
    const ImageMatcher::Match match = matcher_->Find(image->listed_name);
    if (match.by == MatchedBy::kAmbiguous) {
      return absl::StrCat("\"", image->listed_name, "\" is not below ", images_folder_,
                          ", where several files have that base name");
    }
    if (match.position < 0) {
      if (image->listed_name.size() > kMaxImageIdBytes) return kTooLongForAnId;
      return wrong.empty()
                 ? absl::StrCat("there is no file ", (root / image->listed_name).string())
                 : absl::StrCat(wrong, ", and no file below ", images_folder_, " has its name");
    }
    image->file_name = files_[match.position];
    by = match.by;
  }
  matched_.Add(by);
  image->path = (root / image->file_name).string();
  return CheckName(image);
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
  if (matched_.by_name() > 0) {
    dataset_.notes.push_back(
        absl::StrCat(file_, ": images found below ", images_folder_, ": ", Describe(matched_)));
  }
  return std::move(dataset_);
}

SplitLists::SplitLists(std::string file, const Dataset& dataset) : file_(std::move(file)) {
  for (size_t i = 0; i < dataset.images.size(); ++i) {
    positions_.emplace(dataset.images[i].listed_name, static_cast<int>(i));
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

std::string DatasetName(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::absolute(folder, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace mgral::client
