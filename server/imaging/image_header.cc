#include "server/imaging/image_header.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "server/base/errors.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kShort = 3;  // type of a value: 16 bits

}  // namespace

uint32_t BigEndian32(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

uint32_t LittleEndian16(absl::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]) | static_cast<uint8_t>(bytes[at + 1]) << 8;
}

uint32_t LittleEndian32(absl::string_view bytes, size_t at) {
  return LittleEndian16(bytes, at) | LittleEndian16(bytes, at + 2) << 16;
}

// The first directory of a TIFF structure (Exif 2.3, 4.6.2): at most 65535 entries of 12 bytes.
int ExifOrientation(absl::string_view exif) {
  if (exif.size() < 8) return 1;
  const bool big = absl::StartsWith(exif, absl::string_view("MM\0*", 4));
  if (!big && !absl::StartsWith(exif, absl::string_view("II*\0", 4))) return 1;
  const auto number = [&](size_t at) -> uint32_t {
    return big ? BigEndian32(exif, at) : LittleEndian32(exif, at);
  };
  const auto short_number = [&](size_t at) -> uint32_t {
    return big ? static_cast<uint8_t>(exif[at]) << 8 | static_cast<uint8_t>(exif[at + 1])
               : LittleEndian16(exif, at);
  };
  const size_t directory = number(4);
  if (directory + 2 > exif.size()) return 1;
  const size_t entries = short_number(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + 12 * i;
    if (at + 12 > exif.size()) break;
    if (short_number(at) != kOrientationTag) continue;
    const uint32_t value = short_number(at + 8);
    const bool valid = short_number(at + 2) == kShort && number(at + 4) == 1;
    return valid && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

absl::StatusOr<EncodedHeader> ParseHeader(absl::string_view bytes, const std::string& field) {
  if (bytes.empty()) return base::InvalidField(field, "is empty");
  const auto begins = [&](absl::string_view with) { return absl::StartsWith(bytes, with); };
  if (begins("\xFF\xD8")) return ParseJpegHeader(bytes, field);
  if (begins("\x89PNG\r\n\x1a\n")) return ParsePngHeader(bytes, field);
  if (begins("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") {
    return ParseWebpHeader(bytes, field);
  }
  if (begins("BM")) return ParseBmpHeader(bytes, field);
  for (const char* mark : {"II*\0", "MM\0*", "II+\0", "MM\0+"}) {  // "+": more than 4 GB
    if (begins(absl::string_view(mark, 4))) return ParseTiffHeader(bytes, field);
  }
  return base::InvalidField(field, "is not a JPEG, PNG, WebP, BMP or TIFF image");
}

domain::ImageHeader SizeOf(const EncodedHeader& header, bool oriented) {
  domain::ImageHeader size{header.width, header.height, header.note};
  if (oriented && header.orientation >= 5) std::swap(size.width, size.height);
  return size;
}

}  // namespace mgral::imaging
