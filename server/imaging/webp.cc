#include <webp/decode.h>

#include "absl/strings/match.h"
#include "server/base/errors.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

absl::Status WebpError(VP8StatusCode code, const std::string& field) {
  switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError("no memory to decode an image");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return InvalidField(field, "is a truncated WebP");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return InvalidField(field, "is a WebP of a kind that cannot be decoded");
    default:
      return InvalidField(field, "is a corrupt WebP");
  }
}

// Of the first chunk EXIF (RIFF: a name, a length, the data, and a byte more if that is odd).
int WebpOrientation(absl::string_view bytes) {
  constexpr absl::string_view kExifMark("Exif\0\0", 6);  // some programs copy it from JPEG
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const uint64_t length = LittleEndian32(bytes, at + 4);
    absl::string_view data = bytes.substr(at + 8, length);
    if (bytes.substr(at, 4) == "EXIF") {
      if (absl::StartsWith(data, kExifMark)) data.remove_prefix(kExifMark.size());
      return ExifOrientation(data);
    }
    at += 8 + length + length % 2;
  }
  return 1;
}

}  // namespace

absl::StatusOr<EncodedHeader> ParseWebpHeader(absl::string_view bytes, const std::string& field) {
  WebPBitstreamFeatures features;
  const VP8StatusCode code =
      WebPGetFeatures(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &features);
  if (code != VP8_STATUS_OK) return WebpError(code, field);
  if (features.has_animation) {
    return InvalidField(field, "is an animated WebP: save one frame of it as an image");
  }
  return EncodedHeader{ImageFormat::kWebp, features.width, features.height, WebpOrientation(bytes)};
}

absl::StatusOr<DecodedImage> DecodeWebp(absl::string_view bytes, const EncodedHeader& header,
                                        const std::string& field) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return absl::InternalError("libwebp is of another version");
  cv::Mat rgb(header.height, header.width, CV_8UC3);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {rgb.data, static_cast<int>(rgb.step), rgb.total() * rgb.elemSize()};
  const VP8StatusCode code =
      WebPDecode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &config);
  if (code != VP8_STATUS_OK) return WebpError(code, field);
  return DecodedImage{rgb, ""};
}

}  // namespace mgral::imaging
