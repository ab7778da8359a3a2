#include "server/imaging/decode.h"

#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;
using domain::Pixels;

struct Size {
  int width = 0, height = 0;
};

Size ReducedSize(int width, int height, int max_side) {
  const int longer = std::max(width, height);
  if (max_side <= 0 || longer <= max_side) return {width, height};
  const double scale = static_cast<double>(max_side) / longer;
  return {std::max(1, static_cast<int>(std::lround(width * scale))),
          std::max(1, static_cast<int>(std::lround(height * scale)))};
}

// Moves a tightly packed or padded 3-channel matrix out, reduced to `size`.
Pixels Reduce(const cv::Mat& rgb, const Size& size, const EncodedHeader& header) {
  Pixels pixels;
  pixels.width = size.width;
  pixels.height = size.height;
  pixels.original_width = header.width;
  pixels.original_height = header.height;
  pixels.rgb.resize(3ull * size.width * size.height);
  cv::Mat out(size.height, size.width, CV_8UC3, pixels.rgb.data());
  if (rgb.cols == size.width && rgb.rows == size.height) {
    rgb.copyTo(out);
  } else {
    cv::resize(rgb, out, out.size(), 0, 0, cv::INTER_AREA);
  }
  return pixels;
}

// The coarsest DCT scaling whose result is not smaller than what is wanted.
tjscalingfactor ChooseScaling(int width, int height, int max_side) {
  tjscalingfactor chosen = {1, 1};
  if (max_side <= 0) return chosen;
  for (const int denominator : {2, 4, 8}) {
    const tjscalingfactor scaling = {1, denominator};
    if (std::max(TJSCALED(width, scaling), TJSCALED(height, scaling)) >= max_side) chosen = scaling;
  }
  return chosen;
}

// Adobe writes CMYK inverted: 255 is no ink.
void CmykToRgb(const cv::Mat& cmyk, cv::Mat* rgb) {
  rgb->create(cmyk.rows, cmyk.cols, CV_8UC3);
  for (int y = 0; y < cmyk.rows; ++y) {
    const uint8_t* in = cmyk.ptr<uint8_t>(y);
    uint8_t* out = rgb->ptr<uint8_t>(y);
    for (int x = 0; x < cmyk.cols; ++x, in += 4, out += 3) {
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(in[c] * in[3] / 255);
    }
  }
}

absl::StatusOr<Pixels> DecodeJpeg(absl::string_view bytes, const EncodedHeader& header,
                                  int max_side, const std::string& field) {
  std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), &tjDestroy);
  if (!decoder) return absl::ResourceExhaustedError("no memory for a JPEG decoder");
  const auto corrupt = [&] {
    return InvalidField(
        field, absl::StrCat("is a corrupt or truncated JPEG: ", tjGetErrorStr2(decoder.get())));
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &subsampling,
                          &colorspace) != 0) {
    return corrupt();
  }
  if (width != header.width || height != header.height) {
    return InvalidField(field, "is a JPEG with two different sizes");
  }
  const tjscalingfactor scaling = ChooseScaling(width, height, max_side);
  const bool cmyk = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
  cv::Mat mat(TJSCALED(height, scaling), TJSCALED(width, scaling), cmyk ? CV_8UC4 : CV_8UC3);
  // A truncated file is only a warning to the library, and hundreds of scans are a bomb.
  if (tjDecompress2(decoder.get(), data, bytes.size(), mat.data, mat.cols,
                    static_cast<int>(mat.step), mat.rows, cmyk ? TJPF_CMYK : TJPF_RGB,
                    TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
    return corrupt();
  }
  if (cmyk) {
    cv::Mat rgb;
    CmykToRgb(mat, &rgb);
    mat = rgb;
  }
  return Reduce(mat, ReducedSize(width, height, max_side), header);
}

absl::StatusOr<Pixels> DecodePng(absl::string_view bytes, const EncodedHeader& header, int max_side,
                                 const std::string& field) {
  MGRAL_RETURN_IF_ERROR(CheckPngChunks(bytes, field));
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  cv::Mat mat = cv::imdecode(input, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  if (mat.empty() || mat.cols != header.width || mat.rows != header.height) {
    return InvalidField(field, "is a corrupt PNG");
  }
  cv::cvtColor(mat, mat, cv::COLOR_BGR2RGB);
  return Reduce(mat, ReducedSize(mat.cols, mat.rows, max_side), header);
}

}  // namespace

absl::StatusOr<Pixels> Decode(absl::string_view bytes, const EncodedHeader& header, int max_side,
                              const std::string& field) {
  try {
    return header.format == ImageFormat::kJpeg ? DecodeJpeg(bytes, header, max_side, field)
                                               : DecodePng(bytes, header, max_side, field);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) return absl::ResourceExhaustedError(error.what());
    return InvalidField(field, absl::StrCat("cannot be decoded: ", error.what()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory to decode an image");
  }
}

}  // namespace mgral::imaging
