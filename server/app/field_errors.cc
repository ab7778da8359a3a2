#include "server/app/field_errors.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/base/limits.h"

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

size_t Utf8Length(absl::string_view text, uint32_t* code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) {
    *code = byte(0);
    return 1;
  }
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return 0;
  *code = byte(0) & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    *code = *code << 6 | (byte(i) & 0x3F);
  }
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
  return *code < kLeast[length] || surrogate || *code > 0x10FFFF ? 0 : length;
}

std::string TextProblem(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", max_bytes, " are allowed");
  }
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = Utf8Length(text, &code);
    if (length == 0) return "is not valid UTF-8";
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return "has a control character";
    text.remove_prefix(length);
  }
  return "";
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\"");
  // A cut within a character leaves bytes that the escaping shows as such.
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kLongest)), "...\"");
}

std::string ImageIdProblem(absl::string_view image_id) {
  if (image_id.empty()) return "is empty: every image needs an id of your own";
  if (image_id.find('/') != absl::string_view::npos) return "has a \"/\"";
  return TextProblem(image_id, base::kMaxImageIdBytes);
}

}  // namespace mgral::app
