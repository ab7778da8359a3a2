#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/dataset_builder.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

bool IsImageName(const fs::path& file) {
  const std::string extension = absl::AsciiStrToLower(file.extension().string());
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListImageFiles(const std::string& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return absl::NotFoundError(absl::StrCat(directory, ": there is no such directory"));
  }
  std::vector<std::string> names;
  fs::recursive_directory_iterator entry(directory, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (!IsImageName(entry->path()) || !entry->is_regular_file(error)) continue;
    names.push_back(entry->path().lexically_relative(directory).generic_string());
  }
  if (error) return absl::PermissionDeniedError(absl::StrCat(directory, ": ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<Dataset> ReadFolder(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = ListImageFiles(directory);
  if (!names.ok()) return names.status();
  DatasetBuilder builder(directory, directory, {});
  for (const std::string& name : *names) {
    builder.AddImage(name, 0, 0, name);
    if (builder.GivesUp()) break;
  }
  absl::StatusOr<Dataset> dataset = std::move(builder).Build();
  if (dataset.ok()) dataset->name = DatasetName(directory);
  return dataset;
}

}  // namespace mgral::client
