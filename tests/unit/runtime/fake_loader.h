#pragma once

#include <atomic>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/errors.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/image_fault.h"
#include "server/domain/image_loader.h"

namespace mgral::test {

// Draws images instead of reading them. The location "200x100:3" is a picture of that size with a
// bright square whose place follows from the number; "bad" cannot be decoded, "gone" is missing,
// "away" cannot be reached now.
class FakeLoader : public domain::ImageLoader {
 public:
  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::CallContext& call,
                                                 const domain::ImageSource& source) override {
    const auto pixels = Load(call, source, 0);
    if (!pixels.ok()) return pixels.status();
    return domain::ImageHeader{pixels->width, pixels->height};
  }
  absl::StatusOr<domain::ImageHeader> Verify(const domain::CallContext& call,
                                             const domain::ImageSource& source) override {
    return ReadHeader(call, source);
  }
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes, bool) override {
    return ReadHeader({}, {domain::ImageSource::Kind::kPath, std::string(bytes)});
  }
  absl::StatusOr<domain::Pixels> LoadInTurn(const domain::CallContext& call,
                                            const domain::ImageSource& source,
                                            int max_side) override {
    return Load(call, source, max_side);
  }
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view bytes, bool turned,
                                           int max_side) override {
    return Load({}, {domain::ImageSource::Kind::kPath, std::string(bytes), turned}, max_side);
  }
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext&, const domain::ImageSource& source,
                                      int max_side) override {
    ++loads;
    if (source.oriented) ++oriented;
    if (source.location == "away") return base::Unavailable("no answer", absl::Seconds(1));
    if (source.location == "gone") {
      return WithFault(base::InvalidField("source.path", "no such file"),
                       domain::ImageFault::kMissing);
    }
    if (source.location == "bad" || damaged)
      return base::InvalidField("source.path", "is no image");
    int width = 0, height = 0, number = 0;
    const std::vector<std::string> parts = absl::StrSplit(source.location, absl::ByAnyChar("x:"));
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &width) ||
        !absl::SimpleAtoi(parts[1], &height) || !absl::SimpleAtoi(parts[2], &number)) {
      return base::InvalidField("source.path", "is no image");
    }
    domain::Pixels pixels;
    pixels.original_width = width;
    pixels.original_height = height;
    const double scale = max_side > 0 && max_side < std::max(width, height)
                             ? 1.0 * max_side / std::max(width, height)
                             : 1.0;
    pixels.width = static_cast<int>(width * scale);
    pixels.height = static_cast<int>(height * scale);
    Draw(Square(width, height, number), scale, &pixels);
    return pixels;
  }

  // Where the square of a picture is: a third of its height wide.
  static domain::Box Square(int width, int height, int number) {
    domain::Box box;
    box.width = box.height = height / 3;
    box.x_min = (number * 37) % static_cast<int>(width - box.width);
    box.y_min = (number * 53) % static_cast<int>(height - box.height);
    return box;
  }

  // A picture with its square as its label.
  static domain::Example Example(int number) {
    domain::Example example;
    example.image.key = 100 + number;
    example.image.source.location = absl::StrCat("120x90:", number);
    example.boxes = {Square(120, 90, number)};
    return example;
  }

  std::atomic<int> loads{0};
  std::atomic<int> oriented{0};      // of them, those that EXIF was to be applied to
  std::atomic<bool> damaged{false};  // all of them

 private:
  static void Draw(const domain::Box& square, double scale, domain::Pixels* pixels) {
    pixels->rgb.assign(3u * pixels->width * pixels->height, 40);
    for (int y = 0; y < pixels->height; ++y) {
      for (int x = 0; x < pixels->width; ++x) {
        const double at_x = x / scale, at_y = y / scale;
        const bool inside = at_x >= square.x_min && at_x < square.x_min + square.width &&
                            at_y >= square.y_min && at_y < square.y_min + square.height;
        if (inside) pixels->rgb[3 * (y * pixels->width + x)] = 230;
      }
    }
  }
};

}  // namespace mgral::test
