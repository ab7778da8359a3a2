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
  for (const char* known : {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}) {
    if (extension == known) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListImageFiles(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": there is no such folder"));
  }
  std::vector<std::string> names;
  fs::recursive_directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (!IsImageName(entry->path()) || !entry->is_regular_file(error)) continue;
    names.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  if (error) return absl::PermissionDeniedError(absl::StrCat(folder, ": ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<Dataset> ReadFolder(const std::string& folder) {
  const absl::StatusOr<std::vector<std::string>> names = ListImageFiles(folder);
  if (!names.ok()) return names.status();
  DatasetBuilder builder(folder, folder, {});
  for (const std::string& name : *names) {
    builder.AddImage(name, 0, 0, name);
    if (builder.GivesUp()) break;
  }
  absl::StatusOr<Dataset> dataset = std::move(builder).Build();
  if (dataset.ok()) dataset->name = DatasetName(folder);
  return dataset;
}

}  // namespace mgral::client
