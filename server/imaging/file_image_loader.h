#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/artifact_store.h"
#include "server/domain/image_loader.h"
#include "server/imaging/confined_file.h"
#include "server/imaging/fetch_uri.h"

namespace mgral::imaging {

struct ImagingOptions {
  std::string image_root;                 // empty: paths are refused
  std::vector<std::string> uri_prefixes;  // empty: addresses are refused
  int64_t max_bytes = 64 << 20;           // of an encoded image
  int64_t max_pixels = 100'000'000;       // of a decoded one
  absl::Duration uri_timeout = absl::Seconds(30);
};

// Images from below the image root, from allowed addresses and from the artifact store.
// Thread-safe.
class FileImageLoader : public domain::ImageLoader {
 public:
  // `artifacts` must outlive the loader; it may be null where no image is given as bytes.
  FileImageLoader(const ImagingOptions& options, domain::ArtifactStore* artifacts);

  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::ImageSource& source) override;
  absl::StatusOr<domain::ImageHeader> Verify(const domain::ImageSource& source) override;
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes) override;
  absl::StatusOr<domain::Pixels> Load(const domain::ImageSource& source, int max_side) override;
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view bytes, int max_side) override;

 private:
  absl::StatusOr<std::string> Bytes(const domain::ImageSource& source) const;
  absl::StatusOr<domain::Pixels> DecodeChecked(absl::string_view bytes, int max_side,
                                               const std::string& field) const;

  ImagingOptions options_;
  ConfinedFiles files_;
  FetchLimits fetch_;
  domain::ArtifactStore* artifacts_;
};

}  // namespace mgral::imaging
