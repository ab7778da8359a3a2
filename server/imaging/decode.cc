#include "server/imaging/decode.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/imaging/formats.h"

namespace mgral::imaging {
namespace {

using domain::Pixels;

cv::Size ReducedSize(int width, int height, int max_side) {
  const int longer = std::max(width, height);
  if (max_side <= 0 || longer <= max_side) return {width, height};
  const double scale = static_cast<double>(max_side) / longer;
  return {std::max(1, static_cast<int>(std::lround(width * scale))),
          std::max(1, static_cast<int>(std::lround(height * scale)))};
}

// From 5 on the sides change places; what is left is to flip them.
void Orient(int orientation, cv::Mat* mat) {
  if (orientation >= 5) cv::transpose(*mat, *mat);
  switch (orientation) {
    case 2:
    case 6:
      cv::flip(*mat, *mat, 1);
      break;
    case 3:
    case 7:
      cv::flip(*mat, *mat, -1);
      break;
    case 4:
    case 8:
      cv::flip(*mat, *mat, 0);
      break;
    default:
      break;
  }
}

absl::StatusOr<DecodedImage> DecodeFormat(absl::string_view bytes, const EncodedHeader& header,
                                          int max_side, const std::string& field) {
  switch (header.format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes, max_side, field);
    case ImageFormat::kPng:
      return DecodePng(bytes, header, field);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes, header, field);
    case ImageFormat::kBmp:
      return DecodeBmp(bytes, header, field);
    case ImageFormat::kTiff:
      return DecodeTiff(bytes, header, field);
  }
  return absl::InternalError("unknown image format");
}

absl::StatusOr<Pixels> DecodeAndReduce(absl::string_view bytes, const EncodedHeader& header,
                                       bool oriented, int max_side, const std::string& field) {
  MGRAL_ASSIGN_OR_RETURN(DecodedImage decoded, DecodeFormat(bytes, header, max_side, field));
  cv::Mat& mat = decoded.rgb;
  const cv::Size size = ReducedSize(header.width, header.height, max_side);
  if (mat.size() != size) cv::resize(mat, mat, size, 0, 0, cv::INTER_AREA);
  if (oriented) Orient(header.orientation, &mat);
  const domain::ImageHeader original = SizeOf(header, oriented);
  Pixels pixels;
  pixels.width = mat.cols;
  pixels.height = mat.rows;
  pixels.original_width = original.width;
  pixels.original_height = original.height;
  pixels.note = decoded.note;
  pixels.rgb.resize(3ull * mat.cols * mat.rows);
  cv::Mat out(mat.rows, mat.cols, CV_8UC3, pixels.rgb.data());
  mat.copyTo(out);
  return pixels;
}

}  // namespace

cv::Mat DecodeByOpenCv(absl::string_view bytes, const EncodedHeader& header) {
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  cv::Mat mat = cv::imdecode(input, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  if (mat.cols != header.width || mat.rows != header.height) return cv::Mat();
  cv::cvtColor(mat, mat, cv::COLOR_BGR2RGB);
  return mat;
}

absl::StatusOr<Pixels> Decode(absl::string_view bytes, const EncodedHeader& header, bool oriented,
                              int max_side, const std::string& field) {
  try {
    return DecodeAndReduce(bytes, header, oriented, max_side, field);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) return absl::ResourceExhaustedError(error.what());
    return base::InvalidField(field, absl::StrCat("cannot be decoded: ", error.what()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory to decode an image");
  }
}

}  // namespace mgral::imaging
