#include "tests/support/image_files.h"

// clang-format off
#include <cstdio>  // jpeglib.h needs it
#include <jpeglib.h>
// clang-format on
#include <zlib.h>

#include <cstdlib>
#include <map>

namespace mgral::test {
namespace {

void AppendBigEndian(std::string* out, uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out->push_back(static_cast<char>(value >> 8 * i));
}

void AppendLittleEndian(std::string* out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> 8 * i));
}

std::string RiffChunk(const std::string& type, const std::string& data) {
  std::string out = type;
  AppendLittleEndian(&out, data.size(), 4);
  return out + data + std::string(data.size() % 2, '\0');
}

// In the extended form (VP8X), which may hold EXIF data.
std::string WebpWithExif(const std::string& file, const std::string& exif, int width, int height) {
  std::string features("\x08\0\0\0", 4);
  AppendLittleEndian(&features, width - 1, 3);
  AppendLittleEndian(&features, height - 1, 3);
  return RiffChunk(
      "RIFF", "WEBP" + RiffChunk("VP8X", features) + file.substr(12) + RiffChunk("EXIF", exif));
}

}  // namespace

std::string Exif(int orientation) {
  std::string out("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01", 18);
  AppendBigEndian(&out, orientation, 2);
  return out + std::string(6, '\0');
}

std::string PngChunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  std::string out;
  AppendBigEndian(&out, data.size(), 4);
  out += body;
  AppendBigEndian(&out, crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size()), 4);
  return out;
}

std::string WithExif(const std::string& file, const std::string& exif, int width, int height) {
  constexpr size_t kPngHeader = 33;
  if (file[0] == 'R') return WebpWithExif(file, exif, width, height);
  if (file[1] == 'P') {
    return file.substr(0, kPngHeader) + PngChunk("eXIf", exif) + file.substr(kPngHeader);
  }
  std::string out("\xFF\xD8\xFF\xE1", 4);
  AppendBigEndian(&out, exif.size() + 8, 2);
  return out + std::string("Exif\0\0", 6) + exif + file.substr(2);
}

std::string CmykJpeg(const cv::Mat& cmyk) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = cmyk.cols;
  info.image_height = cmyk.rows;
  info.input_components = 4;
  info.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < cmyk.rows; ++y) {
    JSAMPROW row = const_cast<uint8_t*>(cmyk.ptr<uint8_t>(y));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const std::string out(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return out;
}

std::string Tiff(int width, int height, const std::string& pixels, const std::vector<TiffTag>& tags,
                 int pages) {
  constexpr uint32_t kPixelsAt = 8;
  const auto w = static_cast<uint32_t>(width), h = static_cast<uint32_t>(height);
  std::map<uint16_t, TiffTag> all;  // by ascending tag, as the format wants it
  for (const TiffTag& tag : std::vector<TiffTag>{{256, 4, {w}},
                                                 {257, 4, {h}},
                                                 {258, 3, {8, 8, 8}},
                                                 {259, 3, {1}},
                                                 {262, 3, {2}},
                                                 {273, 4, {kPixelsAt}},
                                                 {277, 3, {3}},
                                                 {278, 4, {h}},
                                                 {279, 4, {static_cast<uint32_t>(pixels.size())}},
                                                 {284, 3, {1}}}) {
    all[tag.tag] = tag;
  }
  for (const TiffTag& tag : tags) all[tag.tag] = tag;
  std::string out("II*\0", 4);
  AppendLittleEndian(&out, kPixelsAt + pixels.size() + pixels.size() % 2, 4);
  out += pixels + std::string(pixels.size() % 2, '\0');
  for (int page = 0; page < pages; ++page) {
    const size_t size = 2 + 12 * all.size() + 4;
    std::string directory, more;  // `more`: values that don't fit into four bytes
    AppendLittleEndian(&directory, all.size(), 2);
    for (const auto& [number, tag] : all) {
      AppendLittleEndian(&directory, number, 2);
      AppendLittleEndian(&directory, tag.type, 2);
      AppendLittleEndian(&directory, tag.values.size(), 4);
      std::string values;
      for (const uint32_t value : tag.values)
        AppendLittleEndian(&values, value, tag.type == 3 ? 2 : 4);
      if (values.size() > 4) {
        AppendLittleEndian(&directory, out.size() + size + more.size(), 4);
        more += values + std::string(values.size() % 2, '\0');
      } else {
        directory += values + std::string(4 - values.size(), '\0');
      }
    }
    const bool last = page + 1 == pages;
    AppendLittleEndian(&directory, last ? 0 : out.size() + size + more.size(), 4);
    out += directory + more;
  }
  return out;
}

}  // namespace mgral::test
