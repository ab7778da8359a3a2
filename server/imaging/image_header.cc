#include "server/imaging/image_header.h"

#include <zlib.h>

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr char kPngSignature[] = "\x89PNG\r\n\x1a\n";
constexpr size_t kPngSignatureSize = 8;

uint32_t BigEndian32(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

int BigEndian16(absl::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]);
}

absl::StatusOr<EncodedHeader> ParsePng(absl::string_view bytes, const std::string& field) {
  // Length and type of IHDR, then width and height (PNG specification, 11.2.2).
  if (bytes.size() < 33 || BigEndian32(bytes, 8) != 13 || bytes.substr(12, 4) != "IHDR") {
    return InvalidField(field, "is a PNG without a valid header");
  }
  const uint32_t width = BigEndian32(bytes, 16), height = BigEndian32(bytes, 20);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return InvalidField(field, "is a PNG of an impossible size");
  }
  return EncodedHeader{ImageFormat::kPng, static_cast<int>(width), static_cast<int>(height)};
}

bool IsStartOfFrame(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Markers up to the first start of frame (ITU-T T.81, B.2.2).
absl::StatusOr<EncodedHeader> ParseJpeg(absl::string_view bytes, const std::string& field) {
  size_t at = 2;
  while (at + 4 <= bytes.size()) {
    if (static_cast<uint8_t>(bytes[at]) != 0xFF) break;
    const uint8_t marker = static_cast<uint8_t>(bytes[at + 1]);
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {  // without a length
      at += 2;
      continue;
    }
    const int length = BigEndian16(bytes, at + 2);
    if (length < 2 || marker == 0xD9 || marker == 0xDA) break;
    if (IsStartOfFrame(marker)) {
      if (length < 8 || at + 2 + length > bytes.size()) break;
      const int height = BigEndian16(bytes, at + 5), width = BigEndian16(bytes, at + 7);
      if (width == 0 || height == 0) break;
      return EncodedHeader{ImageFormat::kJpeg, width, height};
    }
    at += 2 + length;
  }
  return InvalidField(field, "is a JPEG without a valid header, or truncated");
}

}  // namespace

absl::StatusOr<EncodedHeader> ParseHeader(absl::string_view bytes, const std::string& field) {
  if (bytes.empty()) return InvalidField(field, "is empty");
  if (absl::StartsWith(bytes, absl::string_view(kPngSignature, kPngSignatureSize))) {
    return ParsePng(bytes, field);
  }
  if (absl::StartsWith(bytes, "\xFF\xD8")) return ParseJpeg(bytes, field);
  return InvalidField(field, "is not a JPEG or PNG image");
}

absl::Status CheckPngChunks(absl::string_view bytes, const std::string& field) {
  size_t at = kPngSignatureSize;
  bool data = false;
  while (at + 12 <= bytes.size()) {
    const uint64_t length = BigEndian32(bytes, at);
    if (length > bytes.size() - at - 12) break;
    const absl::string_view type = bytes.substr(at + 4, 4);
    const uLong crc =
        crc32(0, reinterpret_cast<const Bytef*>(type.data()), static_cast<uInt>(length + 4));
    if (crc != BigEndian32(bytes, at + 8 + length)) {
      return InvalidField(field, absl::StrCat("is a corrupt PNG: wrong checksum at byte ", at));
    }
    if (type == "IDAT") data = true;
    if (type == "IEND") {
      return data ? absl::OkStatus() : InvalidField(field, "is a PNG without any pixels");
    }
    at += 12 + length;
  }
  return InvalidField(field, "is a truncated PNG");
}

}  // namespace mgral::imaging
