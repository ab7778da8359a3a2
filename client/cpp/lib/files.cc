#include "client/cpp/lib/files.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxFileBytes = uintmax_t{4} << 30;

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file"));
  }
  const uintmax_t size = fs::file_size(path, error);
  if (error || size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is larger than 4 GiB"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(size, '\0');
  if (!file.read(content.data(), static_cast<std::streamsize>(size))) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": cannot be read"));
  }
  return content;
}

absl::StatusOr<nlohmann::json> ReadJsonObject(const std::string& path) {
  using nlohmann::json;
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  const json::parser_callback_t keep = [](int, json::parse_event_t event, json& parsed) {
    return event != json::parse_event_t::key || parsed != "segmentation";
  };
  try {
    json document = json::parse(*text, keep);
    if (document.is_object()) return document;
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a JSON object"));
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not JSON: ", error.what()));
  }
}

absl::Status ReplaceFile(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  if (!file || error) {
    fs::remove(temporary, error);
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " cannot be written: check that its folder exists and that the disk "
                     "has space"));
  }
  return absl::OkStatus();
}

}  // namespace mgral::client
