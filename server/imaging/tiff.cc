#define TIFF_DISABLE_DEPRECATED  // typedefs that OpenCV has, too
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

// libtiff may allocate so much at once, beside what the file's length and its pixels explain.
constexpr int64_t kTiffMemory = 64 << 20;
constexpr int kMaxSamples = 5;  // of a pixel: CMYK with alpha

// The first page of a file in memory.
class TiffFile {
 public:
  TiffFile(absl::string_view bytes, int64_t pixels) : bytes_(bytes) {
    TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        options, kTiffMemory + 16 * static_cast<int64_t>(bytes.size()) + 8 * pixels);
    TIFFOpenOptionsSetErrorHandlerExtR(options, &OnError, this);
    TIFFOpenOptionsSetWarningHandlerExtR(options, &OnWarning, this);
    tiff_ = TIFFClientOpenExt("the file", "rm", this, &Read, &Write, &Seek, &Close, &Size, nullptr,
                              nullptr, options);
    TIFFOpenOptionsFree(options);
    if (tiff_ != nullptr) error_.clear();  // of a tag that is left out
  }
  ~TiffFile() {
    if (tiff_ != nullptr) TIFFClose(tiff_);
  }
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  TIFF* get() const { return tiff_; }  // null if it has no valid directory
  bool ok() const { return tiff_ != nullptr && error_.empty(); }
  // After an error, which is libtiff's, unless it gave only `detail`.
  absl::Status Error(const std::string& field, const char* detail = "") const {
    const std::string text = error_.empty() ? detail : error_;
    if (past_end_) return InvalidField(field, absl::StrCat("is a truncated TIFF: ", text));
    return InvalidField(field, absl::StrCat("is a TIFF that cannot be decoded: ", text));
  }

  template <typename Number>
  Number Get(uint32_t tag, Number otherwise = 0) const {
    Number value = otherwise;
    return TIFFGetFieldDefaulted(tiff_, tag, &value) == 1 ? value : otherwise;
  }

 private:
  static TiffFile* Of(thandle_t handle) { return static_cast<TiffFile*>(handle); }
  static tmsize_t Read(thandle_t handle, void* to, tmsize_t size) {
    TiffFile* file = Of(handle);
    const uint64_t left = file->bytes_.size() - std::min<uint64_t>(file->at_, file->bytes_.size());
    const size_t count = std::min<uint64_t>(std::max<tmsize_t>(size, 0), left);
    file->past_end_ = file->past_end_ || count < static_cast<uint64_t>(size);
    std::memcpy(to, file->bytes_.data() + file->at_, count);
    file->at_ += count;
    return static_cast<tmsize_t>(count);
  }
  static tmsize_t Write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t Seek(thandle_t handle, toff_t offset, int whence) {
    TiffFile* file = Of(handle);
    if (whence == SEEK_CUR) offset += file->at_;
    if (whence == SEEK_END) offset += file->bytes_.size();
    return file->at_ = offset;
  }
  static int Close(thandle_t) { return 0; }
  static toff_t Size(thandle_t handle) { return Of(handle)->bytes_.size(); }

  static int OnError(TIFF*, void* self, const char*, const char* format, va_list arguments) {
    char text[200];
    std::vsnprintf(text, sizeof(text), format, arguments);
    std::string& error = static_cast<TiffFile*>(self)->error_;
    if (!error.empty()) return 1;  // what follows is its consequence
    for (const char c : absl::string_view(text)) error += absl::ascii_isprint(c) ? c : '?';
    return 1;
  }
  // Files are full of tags that libtiff does not know; but a damaged JPEG within a TIFF is only a
  // warning, too.
  static int OnWarning(TIFF* tiff, void* self, const char* module, const char* format,
                       va_list arguments) {
    if (absl::string_view(module) == "JPEGLib") OnError(tiff, self, module, format, arguments);
    return 1;
  }

  const absl::string_view bytes_;
  uint64_t at_ = 0;
  bool past_end_ = false;
  std::string error_;
  TIFF* tiff_ = nullptr;
};

bool IsReadCompression(uint16_t compression) {
  switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_JPEG:
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
      return true;
    default:
      return false;
  }
}

bool IsReadColor(uint16_t photometric) {
  switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_PALETTE:
    case PHOTOMETRIC_SEPARATED:
    case PHOTOMETRIC_YCBCR:
      return true;
    default:
      return false;
  }
}

// What this program does not read, though libtiff might.
absl::Status CheckTiffKind(const TiffFile& file, const std::string& field) {
  const auto compression = file.Get<uint16_t>(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  if (!IsReadCompression(compression)) {
    return InvalidField(field, absl::StrCat("is a TIFF with compression ", compression,
                                            ": use none, LZW, PackBits, Deflate, JPEG or CCITT"));
  }
  const auto color = file.Get<uint16_t>(TIFFTAG_PHOTOMETRIC);
  if (!IsReadColor(color)) {
    return InvalidField(field, absl::StrCat("is a TIFF with color space ", color,
                                            ": use gray, RGB, a palette, CMYK or YCbCr"));
  }
  const auto samples = file.Get<uint16_t>(TIFFTAG_SAMPLESPERPIXEL, 1);
  if (samples > kMaxSamples) {
    return InvalidField(field, absl::StrCat("is a TIFF of ", samples, " channels; at most ",
                                            kMaxSamples, " are read"));
  }
  const auto format = file.Get<uint16_t>(TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) {
    return InvalidField(field,
                        "is a TIFF of signed, complex or floating-point numbers: convert it "
                        "to 8 or 16 bits without a sign");
  }
  return absl::OkStatus();
}

// What libtiff decodes at once is not larger than the image, or small.
absl::Status CheckTiffUnit(TIFF* tiff, int64_t pixels, const std::string& field) {
  const uint64_t unit = TIFFIsTiled(tiff) ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
  if (unit <= static_cast<uint64_t>(kTiffMemory + 8 * pixels)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("is a TIFF with tiles of ", unit, " bytes"));
}

}  // namespace

absl::StatusOr<EncodedHeader> ParseTiffHeader(absl::string_view bytes, const std::string& field) {
  const TiffFile file(bytes, 0);
  if (file.get() == nullptr) return file.Error(field, "it has no valid header");
  const auto width = file.Get<uint32_t>(TIFFTAG_IMAGEWIDTH);
  const auto height = file.Get<uint32_t>(TIFFTAG_IMAGELENGTH);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return InvalidField(field, "is a TIFF of an impossible size");
  }
  MGRAL_RETURN_IF_ERROR(CheckTiffKind(file, field));
  const auto orientation = file.Get<uint16_t>(TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  const bool valid = orientation >= ORIENTATION_TOPLEFT && orientation <= ORIENTATION_LEFTBOT;
  return EncodedHeader{
      ImageFormat::kTiff, static_cast<int>(width), static_cast<int>(height),
      valid ? orientation : 1,
      TIFFLastDirectory(file.get()) ? "" : "of the TIFF's pages the first is used"};
}

absl::StatusOr<DecodedImage> DecodeTiff(absl::string_view bytes, const EncodedHeader& header,
                                        const std::string& field) {
  const int64_t pixels = int64_t{header.width} * header.height;
  const TiffFile file(bytes, pixels);
  char problem[1024] = "";
  if (file.get() == nullptr) return file.Error(field, "it has no valid header");
  MGRAL_RETURN_IF_ERROR(CheckTiffUnit(file.get(), pixels, field));
  if (!TIFFRGBAImageOK(file.get(), problem)) return file.Error(field, problem);
  // As though it were multiplied already: then libtiff leaves the colors as they are.
  if (file.Get<uint16_t>(TIFFTAG_SAMPLESPERPIXEL, 1) == 4) {
    uint16_t* kinds = nullptr;
    uint16_t count = 0, associated = EXTRASAMPLE_ASSOCALPHA;
    TIFFGetFieldDefaulted(file.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds);
    if (count == 1) TIFFSetField(file.get(), TIFFTAG_EXTRASAMPLES, 1, &associated);
  }
  cv::Mat rgb(header.height, header.width, CV_8UC3);
  cv::Mat raster(header.height, header.width, CV_8UC4);
  TIFFRGBAImage image;
  if (!TIFFRGBAImageBegin(&image, file.get(), 1, problem)) {
    return file.Error(field, problem);
  }
  image.orientation = image.req_orientation = ORIENTATION_TOPLEFT;  // as stored
  const bool done = TIFFRGBAImageGet(&image, reinterpret_cast<uint32_t*>(raster.data), header.width,
                                     header.height) == 1;
  TIFFRGBAImageEnd(&image);
  if (!done || !file.ok()) return file.Error(field);
  for (int y = 0; y < raster.rows; ++y) {
    const auto* in = raster.ptr<uint32_t>(y);
    uint8_t* out = rgb.ptr<uint8_t>(y);
    for (int x = 0; x < raster.cols; ++x, out += 3) {
      out[0] = TIFFGetR(in[x]);
      out[1] = TIFFGetG(in[x]);
      out[2] = TIFFGetB(in[x]);
    }
  }
  return DecodedImage{rgb, header.note};
}

}  // namespace mgral::imaging
