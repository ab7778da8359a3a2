#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr size_t kInfoAt = 14;      // after BITMAPFILEHEADER
constexpr uint32_t kCoreSize = 12;  // BITMAPCOREHEADER
constexpr uint32_t kInfoSize = 40;  // BITMAPINFOHEADER, which later ones begin with
constexpr uint32_t kMaxInfoSize = 1 << 16;
constexpr uint32_t kUncompressed = 0, kRunLength8 = 1, kRunLength4 = 2, kBitFields = 3;

struct BmpInfo {
  int64_t width = 0, height = 0;
  uint32_t pixels_at = 0, bits = 0, compression = 0;
};

bool ReadBmpInfo(absl::string_view bytes, BmpInfo* info) {
  if (bytes.size() < kInfoAt + kCoreSize) return false;
  const uint32_t size = LittleEndian32(bytes, kInfoAt);
  if (size != kCoreSize &&
      (size < kInfoSize || size > kMaxInfoSize || bytes.size() < kInfoAt + kInfoSize)) {
    return false;
  }
  info->pixels_at = LittleEndian32(bytes, 10);
  if (size == kCoreSize) {
    info->width = LittleEndian16(bytes, 18);
    info->height = LittleEndian16(bytes, 20);
    info->bits = LittleEndian16(bytes, 24);
    return true;
  }
  info->width = static_cast<int32_t>(LittleEndian32(bytes, 18));
  info->height =
      std::abs(int64_t{static_cast<int32_t>(LittleEndian32(bytes, 22))});  // < 0: from top
  info->bits = LittleEndian16(bytes, 28);
  info->compression = LittleEndian32(bytes, 30);
  return true;
}

bool IsReadBmp(const BmpInfo& info) {
  switch (info.compression) {
    case kUncompressed:
      return info.bits == 1 || info.bits == 4 || info.bits == 8 || info.bits == 16 ||
             info.bits == 24 || info.bits == 32;
    case kRunLength8:
      return info.bits == 8;
    case kRunLength4:
      return info.bits == 4;
    case kBitFields:
      return info.bits == 16 || info.bits == 32;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<EncodedHeader> ParseBmpHeader(absl::string_view bytes, const std::string& field) {
  BmpInfo info;
  if (!ReadBmpInfo(bytes, &info)) return InvalidField(field, "is a BMP without a valid header");
  if (info.width <= 0 || info.height == 0 || info.height > INT32_MAX) {
    return InvalidField(field, "is a BMP of an impossible size");
  }
  if (!IsReadBmp(info)) {
    return InvalidField(field, absl::StrCat("is a BMP of ", info.bits, " bits with compression ",
                                            info.compression, ", which is not read"));
  }
  return EncodedHeader{ImageFormat::kBmp, static_cast<int>(info.width),
                       static_cast<int>(info.height)};
}

absl::StatusOr<DecodedImage> DecodeBmp(absl::string_view bytes, const EncodedHeader& header,
                                       const std::string& field) {
  BmpInfo info;
  if (!ReadBmpInfo(bytes, &info)) return InvalidField(field, "is a BMP without a valid header");
  if (info.compression == kUncompressed || info.compression == kBitFields) {
    const uint64_t row = (uint64_t{info.bits} * header.width + 31) / 32 * 4;
    if (info.pixels_at + row * header.height > bytes.size()) {
      return InvalidField(field, "is a truncated BMP");
    }
  }
  const cv::Mat rgb = DecodeByOpenCv(bytes, header);
  if (rgb.empty()) return InvalidField(field, "is a corrupt BMP");
  return DecodedImage{rgb, ""};
}

}  // namespace mgral::imaging
