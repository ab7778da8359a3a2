#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace mgral::base {

// Length in bytes of the UTF-8 character that `text` (not empty) begins with, and its code point; 0
// when the bytes there are not a valid character (overlong forms and surrogates included).
size_t Utf8Length(absl::string_view text, uint32_t* code_point);

bool IsUtf8(absl::string_view text);

// `text` in quotes for a message: escaped and cut to about 60 bytes.
std::string Quoted(absl::string_view text);

}  // namespace mgral::base
