#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/image_matching.h"

namespace mgral::client {

// The checks that all dataset formats share. Collects problems, so that one run reports several
// instead of only the first. Entries are named by the caller, e.g. "annotations[3]".
class DatasetBuilder {
 public:
  // `file` is named in messages.
  DatasetBuilder(std::string file, std::string images_folder, const ReadOptions& options);

  void AddClass(const std::string& name, const std::string& entry);
  // The image's position, or -1 when something is wrong with it. `image_id`: that of the file;
  // empty: made of the file name.
  int AddImage(std::string file_name, double width, double height, const std::string& entry,
               const std::string& image_id = "");
  // Clips what extends past the edge of the image, drops what has no area.
  void AddBox(int image, const DatasetBox& box, const std::string& entry);

  // From now on, messages name this file.
  void NowReading(const std::string& file) { file_ = file; }
  // Something is wrong with the dataset; reading goes on to find more.
  void Problem(const std::string& entry, const std::string& what);
  // There are so many problems that more messages would not help.
  bool GivesUp() const { return problems_.size() >= 10; }
  bool HasClass(const std::string& name) const { return class_positions_.count(name) > 0; }
  int ClassIndex(const std::string& name) const { return class_positions_.at(name); }

  // The dataset, or every problem in one error.
  absl::StatusOr<Dataset> Build() &&;

 private:
  // Sets file_name and path to those of the image's file. What is wrong; empty if nothing.
  std::string FindFile(DatasetImage* image);
  // What is wrong with the image's file; empty if nothing.
  std::string CheckName(DatasetImage* image);
  void Warn(const std::string& text);

  std::string file_;
  const std::string images_folder_;
  const ReadOptions options_;
  // The files below images_folder_, listed when a path first leads nowhere.
  std::unique_ptr<ImageMatcher> matcher_;
  std::vector<std::string> files_;
  MatchCounts matched_;
  Dataset dataset_;
  std::map<std::string, int> class_positions_;
  std::map<std::string, std::string> image_entries_;  // image_id -> entry
  std::vector<std::string> problems_;
};

// Every .jpg, .jpeg, .png, .webp, .bmp, .tif and .tiff of `folder` and of the folders below it,
// relative to it, sorted. Links to folders are not followed.
absl::StatusOr<std::vector<std::string>> ListImageFiles(const std::string& folder);

// A sorted table from file name to position; and the check that lists don't overlap.
class SplitLists {
 public:
  SplitLists(std::string file, const Dataset& dataset);
  // Appends the image of that file name to `list`.
  absl::Status Add(const std::string& file_name, const std::string& split, std::vector<int>* list);

 private:
  const std::string file_;
  std::map<std::string, int> positions_;
  std::map<int, std::string> taken_;
};

// The folder's last component.
std::string DatasetName(const std::string& folder);

}  // namespace mgral::client
