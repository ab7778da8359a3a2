#include "client/cpp/report/text_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace mgral::client {

absl::StatusOr<std::string> ReadTextFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", file));
  return text.str();
}

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
