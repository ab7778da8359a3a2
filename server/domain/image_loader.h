#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/call_context.h"
#include "server/domain/image.h"

namespace mgral::domain {

// RGB, 8 bits, rows from the top, interleaved: rgb.size() == 3 * width * height.
struct Pixels {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
  int original_width = 0, original_height = 0;  // before it was reduced
  std::string note;                             // as ImageHeader's
};

struct ImageHeader {
  int width = 0, height = 0;
  std::string note = {};  // what is unusual about the file but does no harm; empty if nothing is
};

// Reads images from hostile files. Sizes and pixels are as stored, or with the EXIF orientation
// applied: as `oriented` says, the source's or the argument. Thread-safe. Errors are
// INVALID_ARGUMENT on "source.path", "source.data" or "source.uri" (missing, leaves the image root,
// is of no format that is read, is truncated, has more pixels than allowed, is longer than
// allowed). DATA_LOSS on "source.data", naming the artifact by its hash, when the bytes that were
// sent with the registration are missing or were changed on disk. For an address also UNAVAILABLE
// when it cannot be reached, and the call's own CANCELLED or DEADLINE_EXCEEDED, with which fetching
// ends. FaultOf says what an error is about.
class ImageLoader {
 public:
  virtual ~ImageLoader() = default;

  // Size by the header alone; no pixel is decoded, so a decompression bomb costs nothing.
  virtual absl::StatusOr<ImageHeader> ReadHeader(const CallContext& call,
                                                 const ImageSource& source) = 0;
  // Decodes all of it to find truncation and corruption, and what there is to note.
  virtual absl::StatusOr<ImageHeader> Verify(const CallContext& call,
                                             const ImageSource& source) = 0;
  virtual absl::StatusOr<ImageHeader> VerifyBytes(absl::string_view bytes, bool oriented) = 0;
  // Reduced so that the longer side is at most max_side (0: as it is), never enlarged.
  virtual absl::StatusOr<Pixels> Load(const CallContext& call, const ImageSource& source,
                                      int max_side) = 0;
  // The same for many callers at once: they take turns in decoding, so that few images are in
  // memory before they are reduced. One that is being fetched keeps no other waiting.
  virtual absl::StatusOr<Pixels> LoadInTurn(const CallContext& call, const ImageSource& source,
                                            int max_side) = 0;
  virtual absl::StatusOr<Pixels> LoadBytes(absl::string_view bytes, bool oriented,
                                           int max_side) = 0;
};

}  // namespace mgral::domain
