#pragma once

// Inside of server/imaging only: one file per format, webp.cc and its like.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "opencv2/core/mat.hpp"
#include "server/imaging/image_header.h"

namespace mgral::imaging {

struct DecodedImage {
  cv::Mat rgb;  // 8 bits, as stored: no orientation is applied
  std::string note;
};

// Errors of all of these: INVALID_ARGUMENT on `field`. A header is found to be too large before
// anything of its size is allocated. Decode...() is strict (a truncated or damaged file is an
// error), throws cv::Exception and std::bad_alloc, and expects `header` to be of the same bytes.
absl::StatusOr<EncodedHeader> ParseJpegHeader(absl::string_view bytes, const std::string& field);
absl::StatusOr<EncodedHeader> ParsePngHeader(absl::string_view bytes, const std::string& field);
absl::StatusOr<EncodedHeader> ParseWebpHeader(absl::string_view bytes, const std::string& field);
absl::StatusOr<EncodedHeader> ParseBmpHeader(absl::string_view bytes, const std::string& field);
absl::StatusOr<EncodedHeader> ParseTiffHeader(absl::string_view bytes, const std::string& field);

// At 1/2, 1/4 or 1/8 of the size if the longer side stays at least max_side then (0: in full).
absl::StatusOr<DecodedImage> DecodeJpeg(absl::string_view bytes, int max_side,
                                        const std::string& field);
absl::StatusOr<DecodedImage> DecodePng(absl::string_view bytes, const EncodedHeader& header,
                                       const std::string& field);
absl::StatusOr<DecodedImage> DecodeWebp(absl::string_view bytes, const EncodedHeader& header,
                                        const std::string& field);
absl::StatusOr<DecodedImage> DecodeBmp(absl::string_view bytes, const EncodedHeader& header,
                                       const std::string& field);
absl::StatusOr<DecodedImage> DecodeTiff(absl::string_view bytes, const EncodedHeader& header,
                                        const std::string& field);

// By OpenCV, to RGB; an empty matrix if it cannot, or if the size is not the header's.
cv::Mat DecodeByOpenCv(absl::string_view bytes, const EncodedHeader& header);

// Numbers in a file; `at` and what follows it must lie within `bytes`.
uint32_t BigEndian32(absl::string_view bytes, size_t at);
uint32_t LittleEndian32(absl::string_view bytes, size_t at);
uint32_t LittleEndian16(absl::string_view bytes, size_t at);

// The orientation in EXIF data, which begins with "II*\0" or "MM\0*": 1 to 8, and 1 (as it is)
// where it is missing or makes no sense.
int ExifOrientation(absl::string_view exif);

}  // namespace mgral::imaging
