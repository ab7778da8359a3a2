// clang-format off
#include <cstdio>  // jpeglib.h needs it, and is needed by jerror.h
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr int kMaxScans = 500;  // of a progressive file: more are a bomb
constexpr unsigned kMaxSegment = 0xFFFF;
constexpr absl::string_view kExifMark("Exif\0\0", 6);

// Pixels are whole all the same. What else libjpeg only warns of leaves some of them undefined.
bool IsHarmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JFIF_MAJOR ||
         warning == JWRN_ADOBE_XFORM;
}

// libjpeg's decoder for one file in memory. It leaves its own functions by longjmp, so those that
// call it hold nothing that has a destructor.
class JpegReader {
 public:
  explicit JpegReader(absl::string_view bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { Of(info)->Fail(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) Of(info)->Warn();
    };
    progress_.progress_monitor = [](j_common_ptr info) { Of(info)->CountScans(); };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Up to the first scan. These three: false if the file cannot be decoded, as error() says.
  bool ReadHeader() {
    if (setjmp(exit_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, kMaxSegment);
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  // Decodes to 1/denominator of the size. After it info().output_width and its like are known.
  bool Start(int denominator) {
    if (setjmp(exit_) != 0) return false;
    info_.scale_num = 1;
    info_.scale_denom = denominator;
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    return true;
  }
  // All of them, `step` bytes apart.
  bool ReadRows(uint8_t* data, size_t step) {
    if (setjmp(exit_) != 0) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW rows[16];
      for (int i = 0; i < 16; ++i) rows[i] = data + (info_.output_scanline + i) * step;
      jpeg_read_scanlines(&info_, rows,
                          std::min<JDIMENSION>(16, info_.output_height - info_.output_scanline));
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  const jpeg_decompress_struct& info() const { return info_; }
  bool is_cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }
  int Orientation() const {
    for (const jpeg_marker_struct* m = info_.marker_list; m != nullptr; m = m->next) {
      const absl::string_view data(reinterpret_cast<const char*>(m->data), m->data_length);
      if (absl::StartsWith(data, kExifMark)) return ExifOrientation(data.substr(kExifMark.size()));
    }
    return 1;
  }
  std::string Error() const {
    if (truncated_) return absl::StrCat("is a truncated JPEG: ", text_);
    return absl::StrCat("is a JPEG that cannot be decoded: ", text_);
  }
  std::string Note() const {
    return warnings_ == 0 ? "" : absl::StrCat("the JPEG decoder warned: ", text_);
  }

 private:
  static JpegReader* Of(j_common_ptr info) { return static_cast<JpegReader*>(info->client_data); }

  [[noreturn]] void Fail() {
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), text_);
    longjmp(exit_, 1);
  }
  void Warn() {
    truncated_ = errors_.msg_code == JWRN_JPEG_EOF;
    if (!IsHarmless(errors_.msg_code)) Fail();
    // Of several the first is told.
    if (warnings_++ == 0) {
      errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), text_);
    }
  }
  void CountScans() {
    if (info_.input_scan_number <= kMaxScans) return;
    std::snprintf(text_, sizeof(text_), "it has more than %d scans", kMaxScans);
    longjmp(exit_, 1);
  }

  const absl::string_view bytes_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  jmp_buf exit_;
  char text_[JMSG_LENGTH_MAX] = "";
  int warnings_ = 0;
  bool truncated_ = false;
};

int ChooseDenominator(const jpeg_decompress_struct& info, int max_side) {
  const int longer = static_cast<int>(std::max(info.image_width, info.image_height));
  int chosen = 1;
  for (const int denominator : {2, 4, 8}) {
    const int scaled = (longer + denominator - 1) / denominator;
    if (max_side > 0 && scaled >= max_side) chosen = denominator;
  }
  return chosen;
}

// Adobe writes CMYK inverted, and so does everyone who writes it into a JPEG: 255 is no ink.
cv::Mat CmykToRgb(const cv::Mat& cmyk) {
  cv::Mat rgb(cmyk.rows, cmyk.cols, CV_8UC3);
  for (int y = 0; y < cmyk.rows; ++y) {
    const uint8_t* in = cmyk.ptr<uint8_t>(y);
    uint8_t* out = rgb.ptr<uint8_t>(y);
    for (int x = 0; x < cmyk.cols; ++x, in += 4, out += 3) {
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(in[c] * in[3] / 255);
    }
  }
  return rgb;
}

}  // namespace

absl::StatusOr<EncodedHeader> ParseJpegHeader(absl::string_view bytes, const std::string& field) {
  JpegReader reader(bytes);
  if (!reader.ReadHeader()) return InvalidField(field, reader.Error());
  return EncodedHeader{ImageFormat::kJpeg, static_cast<int>(reader.info().image_width),
                       static_cast<int>(reader.info().image_height), reader.Orientation(),
                       reader.Note()};
}

absl::StatusOr<DecodedImage> DecodeJpeg(absl::string_view bytes, int max_side,
                                        const std::string& field) {
  JpegReader reader(bytes);
  if (!reader.ReadHeader() || !reader.Start(ChooseDenominator(reader.info(), max_side))) {
    return InvalidField(field, reader.Error());
  }
  const jpeg_decompress_struct& info = reader.info();
  cv::Mat mat(static_cast<int>(info.output_height), static_cast<int>(info.output_width),
              CV_8UC(info.output_components));
  if (!reader.ReadRows(mat.data, mat.step)) return InvalidField(field, reader.Error());
  return DecodedImage{reader.is_cmyk() ? CmykToRgb(mat) : mat, reader.Note()};
}

}  // namespace mgral::imaging
