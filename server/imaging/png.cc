#include <zlib.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr size_t kPngSignatureSize = 8;

struct PngChunk {
  size_t at = 0;           // of its length
  absl::string_view type;  // 4 bytes
  absl::string_view data;
};

// Reads the chunk at *at and moves on to the next; false where the file ends before the chunk does.
bool NextPngChunk(absl::string_view bytes, size_t* at, PngChunk* chunk) {
  if (*at + 12 > bytes.size()) return false;
  const uint64_t length = BigEndian32(bytes, *at);
  if (length > bytes.size() - *at - 12) return false;
  *chunk = {*at, bytes.substr(*at + 4, 4), bytes.substr(*at + 8, length)};
  *at += 12 + length;
  return true;
}

// Every length fits, every CRC is right, IDAT is there and IEND ends it. (The decoder would fill
// the missing rows of a truncated file with black.)
absl::Status CheckPngChunks(absl::string_view bytes, const std::string& field) {
  size_t at = kPngSignatureSize;
  bool data = false;
  for (PngChunk chunk; NextPngChunk(bytes, &at, &chunk);) {
    const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(chunk.type.data()),
                            static_cast<uInt>(chunk.data.size() + 4));
    if (crc != BigEndian32(bytes, at - 4)) {
      return InvalidField(field,
                          absl::StrCat("is a corrupt PNG: wrong checksum at byte ", chunk.at));
    }
    if (chunk.type == "IDAT") data = true;
    if (chunk.type == "IEND") {
      return data ? absl::OkStatus() : InvalidField(field, "is a PNG without any pixels");
    }
  }
  return InvalidField(field, "is a truncated PNG");
}

}  // namespace

absl::StatusOr<EncodedHeader> ParsePngHeader(absl::string_view bytes, const std::string& field) {
  // Length and type of IHDR, then width and height (PNG specification, 11.2.2).
  if (bytes.size() < 33 || BigEndian32(bytes, 8) != 13 || bytes.substr(12, 4) != "IHDR") {
    return InvalidField(field, "is a PNG without a valid header");
  }
  const uint32_t width = BigEndian32(bytes, 16), height = BigEndian32(bytes, 20);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return InvalidField(field, "is a PNG of an impossible size");
  }
  EncodedHeader header{ImageFormat::kPng, static_cast<int>(width), static_cast<int>(height)};
  size_t at = kPngSignatureSize;
  for (PngChunk chunk; NextPngChunk(bytes, &at, &chunk);) {
    if (chunk.type != "eXIf") continue;
    header.orientation = ExifOrientation(chunk.data);
    break;
  }
  return header;
}

absl::StatusOr<DecodedImage> DecodePng(absl::string_view bytes, const EncodedHeader& header,
                                       const std::string& field) {
  MGRAL_RETURN_IF_ERROR(CheckPngChunks(bytes, field));
  const cv::Mat rgb = DecodeByOpenCv(bytes, header);
  if (rgb.empty()) return InvalidField(field, "is a corrupt PNG");
  return DecodedImage{rgb, ""};
}

}  // namespace mgral::imaging
