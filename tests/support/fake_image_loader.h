#pragma once

#include <atomic>
#include <map>
#include <string>

#include "server/base/errors.h"
#include "server/domain/image_loader.h"

namespace mgral::test {

// Images by their location, of which only the size is known. Thread-safe once it is filled.
class FakeImageLoader : public domain::ImageLoader {
 public:
  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::CallContext&,
                                                 const domain::ImageSource& source) override {
    ++headers_read;
    return Find(source.location, "source.path");
  }
  absl::StatusOr<domain::ImageHeader> Verify(const domain::CallContext&,
                                             const domain::ImageSource& source) override {
    ++decoded;
    return Find(source.location, "source.path");
  }
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes) override {
    ++decoded;
    return Find(std::string(bytes), "source.data");
  }
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext&, const domain::ImageSource&,
                                      int) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view, int) override {
    return absl::UnimplementedError("");
  }

  std::map<std::string, domain::ImageHeader> sizes;
  std::map<std::string, absl::Status> errors;  // by location; otherwise "is truncated"
  std::atomic<int> headers_read{0}, decoded{0};

 private:
  absl::StatusOr<domain::ImageHeader> Find(const std::string& location, const std::string& field) {
    const auto error = errors.find(location);
    if (error != errors.end()) return error->second;
    const auto found = sizes.find(location);
    if (found == sizes.end()) return base::InvalidField(field, "is truncated");
    return found->second;
  }
};

}  // namespace mgral::test
