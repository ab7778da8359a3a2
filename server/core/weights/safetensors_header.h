#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mgral::core {

inline constexpr char kSafetensorsMetadata[] = "__metadata__";

struct SafetensorsEntry {
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // in the data after the header
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;
};

// Of the JSON that begins a file, as strictly as the format says: no key twice, none missing, none
// unknown. Throws std::invalid_argument. Offsets and shapes are not compared.
SafetensorsHeader ParseSafetensorsHeader(std::string_view json);

// Keys sorted; ends with spaces up to a multiple of 8 bytes. Throws std::invalid_argument if a text
// is not UTF-8.
std::string FormatSafetensorsHeader(const SafetensorsHeader& header);

}  // namespace mgral::core
