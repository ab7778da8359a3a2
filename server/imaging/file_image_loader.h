#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/domain/artifact_store.h"
#include "server/domain/image_loader.h"
#include "server/imaging/confined_file.h"
#include "server/imaging/uri_fetcher.h"

namespace mgral::imaging {

struct ImagingOptions {
  std::string image_root;                 // empty: paths are refused
  std::vector<std::string> uri_prefixes;  // empty: addresses are refused
  int64_t max_bytes = 64 << 20;           // of an encoded image
  int64_t max_pixels = 100'000'000;       // of a decoded one
  int decoders = 2;                       // images decoded at once by callers that take turns
};

// Images from below the image root, from allowed addresses and from the artifact store. ReadHeader,
// Verify and LoadInTurn hold at most as many images in memory as there are decoders and transfers,
// however many threads call them; waiting for a transfer occupies no decoder. Thread-safe.
class FileImageLoader : public domain::ImageLoader {
 public:
  // `artifacts` must outlive the loader; it may be null where no image is given as bytes.
  FileImageLoader(const ImagingOptions& options, domain::ArtifactStore* artifacts);

  absl::StatusOr<domain::ImageHeader> ReadHeader(const domain::CallContext& call,
                                                 const domain::ImageSource& source) override;
  absl::StatusOr<domain::ImageHeader> Verify(const domain::CallContext& call,
                                             const domain::ImageSource& source) override;
  absl::StatusOr<domain::ImageHeader> VerifyBytes(absl::string_view bytes, bool oriented) override;
  absl::StatusOr<domain::Pixels> Load(const domain::CallContext& call,
                                      const domain::ImageSource& source, int max_side) override;
  absl::StatusOr<domain::Pixels> LoadInTurn(const domain::CallContext& call,
                                            const domain::ImageSource& source,
                                            int max_side) override;
  absl::StatusOr<domain::Pixels> LoadBytes(absl::string_view bytes, bool oriented,
                                           int max_side) override;

  // Ends transfers and refuses new ones, both with CANCELLED.
  void StopFetching() { uris_.Stop(); }

 private:
  class DecoderPlace;
  absl::StatusOr<std::string> Bytes(const domain::CallContext& call,
                                    const domain::ImageSource& source);
  // look(the image's bytes), when it is this caller's turn.
  template <typename Look>
  auto InTurn(const domain::CallContext& call, const domain::ImageSource& source, Look look)
      -> decltype(look(absl::string_view()));
  absl::StatusOr<domain::Pixels> DecodeChecked(absl::string_view bytes, bool oriented, int max_side,
                                               const std::string& field) const;

  ImagingOptions options_;
  ConfinedFiles files_;
  UriFetcher uris_;
  domain::ArtifactStore* artifacts_;
  absl::Mutex decoders_mutex_;
  int free_decoders_ ABSL_GUARDED_BY(decoders_mutex_);
};

}  // namespace mgral::imaging
