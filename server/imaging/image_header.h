#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/image_loader.h"

namespace mgral::imaging {

enum class ImageFormat { kJpeg, kPng };

struct EncodedHeader {
  ImageFormat format = ImageFormat::kJpeg;
  int width = 0, height = 0;
};

// Format and size by the first bytes; decodes no pixel. Errors: INVALID_ARGUMENT on `field` for
// anything but a JPEG or PNG with a valid header.
absl::StatusOr<EncodedHeader> ParseHeader(absl::string_view bytes, const std::string& field);

// Walks the chunks of a PNG: every length fits, every CRC is right, IDAT is there and IEND ends it.
// (The decoder would fill the missing rows of a truncated file with black.)
absl::Status CheckPngChunks(absl::string_view bytes, const std::string& field);

}  // namespace mgral::imaging
