#include "client/cpp/lib/dataset.h"

#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/dataset_builder.h"
#include "client/cpp/lib/files.h"
#include "nlohmann/json.hpp"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxImageBytes = 60 << 20;  // leaves room in a message of 64 MiB

v1::Box ToBox(const Dataset& dataset, const DatasetBox& box) {
  v1::Box result;
  result.set_x_min(box.x_min);
  result.set_y_min(box.y_min);
  result.set_width(box.width);
  result.set_height(box.height);
  result.set_class_name(dataset.classes[box.class_index]);
  result.set_ignore(box.ignore);
  result.set_score(box.score);
  return result;
}

}  // namespace

absl::StatusOr<Dataset> ReadDataset(const std::string& folder, const std::string& splits_file,
                                    const ReadOptions& options) {
  const fs::path root(folder);
  std::error_code error;
  absl::StatusOr<Dataset> dataset;
  if (fs::is_regular_file(root / "annotations.json", error)) {
    dataset = ReadCoco((root / "annotations.json").string(), (root / "images").string(), options);
  } else if (fs::is_directory(root / "Annotations", error)) {
    dataset = ReadVoc(folder, options);
  } else {
    return absl::NotFoundError(absl::StrCat(
        folder, ": is not a dataset: it has neither annotations.json (COCO) nor a folder ",
        "Annotations (VOC) is in it"));
  }
  if (!dataset.ok()) return dataset;
  dataset->name = DatasetName(folder);
  const std::string file = splits_file.empty() ? (root / "splits.json").string() : splits_file;
  if (!splits_file.empty() || fs::is_regular_file(file, error)) {
    absl::StatusOr<DatasetSplits> splits = ReadSplits(file, *dataset);
    if (!splits.ok()) return splits.status();
    dataset->splits = *std::move(splits);
  }
  return dataset;
}

absl::StatusOr<DatasetSplits> ReadSplits(const std::string& file, const Dataset& dataset) {
  absl::StatusOr<nlohmann::json> document = ReadJsonObject(file);
  if (!document.ok()) return document.status();
  DatasetSplits splits;
  const std::map<std::string, std::vector<int>*> lists = {
      {"train", &splits.train},      {"pool", &splits.train},
      {"val", &splits.validation},   {"validation", &splits.validation},
      {"valid", &splits.validation}, {"test", &splits.test}};
  std::map<std::vector<int>*, std::string> seen;
  SplitLists names(file, dataset);
  for (const auto& [key, value] : document->items()) {
    const auto list = lists.find(key);
    if (list == lists.end()) {
      if (!value.is_array()) continue;  // a remark
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": \"", key, "\" is not a split: use \"train\" (or \"pool\"), \"val\", \"test\""));
    }
    const auto [other, inserted] = seen.emplace(list->second, key);
    if (!inserted) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": \"", other->second, "\" and \"", key,
                                                     "\" mean the same: use one of them"));
    }
    if (!value.is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": \"", key, "\" is not a list of file names"));
    }
    for (const nlohmann::json& name : value) {
      if (!name.is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(file, ": \"", key, "\" holds ",
                                                       name.dump().substr(0, 40),
                                                       ", which is not a file name"));
      }
      const absl::Status status = names.Add(name.get<std::string>(), key, list->second);
      if (!status.ok()) return status;
    }
  }
  return splits;
}

void MatchImages(const std::vector<std::string>& image_ids, Dataset* dataset) {
  const ImageMatcher matcher(image_ids);
  // Per image id: the strongest evidence that any image of the dataset has for it, and how many
  // have that.
  struct Claim {
    MatchedBy by = MatchedBy::kNothing;
    int images = 0;
  };
  std::vector<Claim> claims(image_ids.size());
  std::vector<int> positions;
  for (DatasetImage& image : dataset->images) {
    const ImageMatcher::Match match =
        image.listed_id.empty() ? matcher.Find(image.listed_name) : matcher.FindId(image.listed_id);
    image.matched_by = match.by;
    positions.push_back(match.position);
    if (match.position < 0) continue;
    Claim& claim = claims[match.position];
    if (match.by < claim.by) claim = {match.by, 0};
    if (match.by == claim.by) ++claim.images;
  }
  for (size_t i = 0; i < positions.size(); ++i) {
    DatasetImage& image = dataset->images[i];
    image.image_id.clear();
    if (positions[i] < 0) continue;
    const Claim& claim = claims[positions[i]];
    if (image.matched_by != claim.by) {
      image.matched_by = MatchedBy::kNothing;
    } else if (claim.images > 1) {
      image.matched_by = MatchedBy::kAmbiguous;
    } else {
      image.image_id = image_ids[positions[i]];
    }
  }
}

MatchCounts CountMatches(const Dataset& dataset) {
  MatchCounts counts;
  for (const DatasetImage& image : dataset.images) counts.Add(image.matched_by);
  return counts;
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
  absl::StatusOr<std::string> bytes = ReadFile(image.path);
  if (!bytes.ok()) return bytes.status();
  result.mutable_source()->set_data(*std::move(bytes));
  return result;
}

v1::NewLabels ToNewLabels(const Dataset& dataset, const DatasetImage& image) {
  v1::NewLabels labels;
  labels.set_image_id(image.image_id);
  for (const DatasetBox& box : image.boxes) *labels.add_boxes() = ToBox(dataset, box);
  return labels;
}

v1::NewPredictions ToNewPredictions(const Dataset& dataset, const DatasetImage& image) {
  v1::NewPredictions predictions;
  predictions.set_image_id(image.image_id);
  for (const DatasetBox& box : image.boxes) *predictions.add_boxes() = ToBox(dataset, box);
  return predictions;
}

}  // namespace mgral::client
