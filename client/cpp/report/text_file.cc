#include "client/cpp/report/text_file.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace mgral::client {

absl::Status ReplaceTextFile(const std::string& file, const std::string& content) {
  const std::string beside = file + ".part";
  std::ofstream out(beside, std::ios::binary);
  out << content;
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(beside, file, error);
  if (!out || error) {
    std::filesystem::remove(beside, error);
    return absl::InternalError(absl::StrCat("cannot write ", file));
  }
  return absl::OkStatus();
}

}  // namespace mgral::client
