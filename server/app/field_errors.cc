#include "server/app/field_errors.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/base/limits.h"
#include "server/base/text.h"

namespace mgral::app {

void FieldErrors::Add(const std::string& field, const std::string& description) {
  if (!full()) violations_.push_back({field, description});
}

void FieldErrors::AddStatus(const std::string& prefix, const absl::Status& status) {
  const std::vector<base::FieldViolation> violations = base::FieldViolations(status);
  for (const base::FieldViolation& violation : violations) {
    Add(prefix + violation.field, violation.description);
  }
  if (!violations.empty()) return;
  const bool dot = !prefix.empty() && prefix.back() == '.';
  Add(dot ? prefix.substr(0, prefix.size() - 1) : prefix, std::string(status.message()));
}

absl::Status FieldErrors::ToStatus() const {
  return empty() ? absl::OkStatus() : base::InvalidFields(violations_);
}

std::string TextProblem(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", max_bytes, " are allowed");
  }
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = base::Utf8Length(text, &code);
    if (length == 0) return "is not valid UTF-8";
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return "has a control character";
    text.remove_prefix(length);
  }
  return "";
}

std::string ImageIdProblem(absl::string_view image_id) {
  if (image_id.empty()) return "is empty: every image needs an id of your own";
  if (image_id.find('/') != absl::string_view::npos) return "has a \"/\"";
  return TextProblem(image_id, base::kMaxImageIdBytes);
}

}  // namespace mgral::app
