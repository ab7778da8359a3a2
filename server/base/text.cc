#include "server/base/text.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mgral::base {

size_t Utf8Length(absl::string_view text, uint32_t* code_point) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  *code_point = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    *code_point = *code_point << 6 | (byte(i) & 0x3F);
  }
  static constexpr uint32_t kMinCodePoint[] = {0, 0, 0x80, 0x800, 0x10000};  // by length
  const bool surrogate = *code_point >= 0xD800 && *code_point <= 0xDFFF;
  return *code_point < kMinCodePoint[length] || surrogate || *code_point > 0x10FFFF ? 0 : length;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t length = Utf8Length(text, &code_point);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMaxBytes = 60;
  if (text.size() <= kMaxBytes) return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\"");
  // A character that is cut in two shows as escaped bytes.
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kMaxBytes)), "...\"");
}

}  // namespace mgral::base
