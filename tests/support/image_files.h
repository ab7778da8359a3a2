#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "opencv2/core/mat.hpp"

// Files of formats and kinds that OpenCV does not write.
namespace mgral::test {

// EXIF data of one tag.
std::string Exif(int orientation);

// The file with EXIF data where its format has a place for it: a JPEG, a PNG, or a WebP of
// width x height.
std::string WithExif(const std::string& file, const std::string& exif, int width = 0,
                     int height = 0);

// With a PNG's checksum.
std::string PngChunk(const std::string& type, const std::string& data);

// A JPEG of the CMYK values as Adobe writes them: 255 is no ink.
std::string CmykJpeg(const cv::Mat& cmyk);

struct TiffTag {
  uint16_t tag = 0, type = 3;  // 3: numbers of 16 bits, 4: of 32
  std::vector<uint32_t> values;
};
// A little-endian TIFF of one uncompressed strip; `tags` replace or join those that describe it as
// 8 bits, RGB. `pages` of the same pixels.
std::string Tiff(int width, int height, const std::string& pixels,
                 const std::vector<TiffTag>& tags = {}, int pages = 1);

}  // namespace mgral::test
