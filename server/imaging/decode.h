#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/image_loader.h"
#include "server/imaging/image_header.h"

namespace mgral::imaging {

// Decodes to RGB, 8 bits: gray is spread over the channels, a palette looked up, transparency
// dropped, 16 bits reduced to 8, CMYK converted; of a TIFF with several pages the first. If
// `oriented`, the EXIF orientation is applied; otherwise pixels are as they are stored. Reduced by
// area averaging so that the longer side is at most max_side (0: as it is); a JPEG is decoded at
// 1/2, 1/4 or 1/8 first where that suffices. Strict: truncated or corrupt data is INVALID_ARGUMENT
// on `field`. `header` must be ParseHeader's of the same bytes, its size checked.
absl::StatusOr<domain::Pixels> Decode(absl::string_view bytes, const EncodedHeader& header,
                                      bool oriented, int max_side, const std::string& field);

}  // namespace mgral::imaging
