#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/base/errors.h"
#include "server/domain/image_loader.h"

namespace mgral::test {

// Images by their location (or their bytes), of which only the size is known; each pixel is black.
// Thread-safe once it is filled.
class FakeImageLoader : public domain::ImageLoader {
 public:
  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::CallContext&,
                                                 const domain::ImageSource& source) override {
    ++headers_read;
    return Find(source.location, source.oriented, "source.path");
  }
  absl::StatusOr<domain::ImageHeader> Verify(const domain::CallContext&,
                                             const domain::ImageSource& source) override {
    ++decoded;
    return Find(source.location, source.oriented, "source.path");
  }
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes, bool oriented) override {
    ++decoded;
    return Find(std::string(bytes), oriented, "source.data");
  }
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext&, const domain::ImageSource& source,
                                      int max_side) override {
    return Black(Find(source.location, source.oriented, "source.path"), max_side);
  }
  absl::StatusOr<domain::Pixels> LoadInTurn(const domain::CallContext& call,
                                            const domain::ImageSource& source,
                                            int max_side) override {
    return Load(call, source, max_side);
  }
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view bytes, bool oriented,
                                           int max_side) override {
    return Black(Find(std::string(bytes), oriented, "source.data"), max_side);
  }

  std::map<std::string, domain::ImageHeader> sizes;
  std::set<std::string> turned;                // have an EXIF orientation that swaps their sides
  std::map<std::string, absl::Status> errors;  // by location; otherwise "is truncated"
  std::atomic<int> headers_read{0}, decoded{0};

 private:
  static absl::StatusOr<domain::Pixels> Black(const absl::StatusOr<domain::ImageHeader>& size,
                                              int max_side) {
    if (!size.ok()) return size.status();
    const int longest = std::max(size->width, size->height);
    const double scale = max_side > 0 && longest > max_side ? double(max_side) / longest : 1;
    domain::Pixels pixels;
    pixels.original_width = size->width;
    pixels.original_height = size->height;
    pixels.width = std::max(1, static_cast<int>(std::lround(scale * size->width)));
    pixels.height = std::max(1, static_cast<int>(std::lround(scale * size->height)));
    pixels.rgb.resize(size_t{3} * pixels.width * pixels.height);
    return pixels;
  }
  absl::StatusOr<domain::ImageHeader> Find(const std::string& location, bool oriented,
                                           const std::string& field) {
    const auto error = errors.find(location);
    if (error != errors.end()) return error->second;
    const auto found = sizes.find(location);
    if (found == sizes.end()) return base::InvalidField(field, "is truncated");
    domain::ImageHeader header = found->second;
    if (oriented && turned.count(location) > 0) std::swap(header.width, header.height);
    return header;
  }
};

}  // namespace mgral::test
