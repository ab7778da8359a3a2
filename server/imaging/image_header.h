#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/image_loader.h"

namespace mgral::imaging {

enum class ImageFormat { kJpeg, kPng, kWebp, kBmp, kTiff };

struct EncodedHeader {
  ImageFormat format = ImageFormat::kJpeg;
  int width = 0, height = 0;  // as stored
  int orientation = 1;        // as in EXIF: 1 to 8
  std::string note = {};      // of what is unusual but does no harm
};

// Format and size by the header; decodes no pixel. Errors: INVALID_ARGUMENT on `field` for anything
// but an image of these formats with a valid header, and for an animated WebP.
absl::StatusOr<EncodedHeader> ParseHeader(absl::string_view bytes, const std::string& field);

// The size after `oriented`: the orientation is applied.
domain::ImageHeader SizeOf(const EncodedHeader& header, bool oriented);

}  // namespace mgral::imaging
