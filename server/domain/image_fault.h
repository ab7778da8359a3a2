#pragma once

#include "absl/status/status.h"

namespace mgral::domain {

// What an error of ImageLoader is about. The status code alone does not say: to who registers an
// image all of the first four may be INVALID_ARGUMENT.
enum class ImageFault {
  kContent,        // what the image holds: no format that is read, truncated, too large
  kMissing,        // nothing can be read at its place, or its stored bytes are lost
  kUnreachable,    // its place does not answer now
  kConfiguration,  // this server reads no such place: no image root, no prefix for the address
  kNone            // not the image's: canceled, no memory
};

ImageFault FaultOf(const absl::Status& error);

// Whether WithFault has said so of this error. Errors of others than ImageLoader share its codes.
bool HasFault(const absl::Status& error, ImageFault fault);

// The same error, about `fault`.
absl::Status WithFault(absl::Status error, ImageFault fault);

}  // namespace mgral::domain
