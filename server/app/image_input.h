#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/app/field_errors.h"
#include "server/domain/image.h"

namespace mgral::app {

// An image as a user names it: by a path, an address, or its bytes.
struct ImageInput {
  enum class Given { kNothing, kPath, kUri, kData };

  std::string image_id;
  Given given = Given::kNothing;
  std::string location;    // of kPath and kUri
  absl::string_view data;  // of kData; must outlive the call that it is given to
  domain::ImageUse use = domain::ImageUse::kTraining;
  absl::Status problem;  // what was found wrong with it when it was read, e.g. on "use"
};

// Of kPath and kUri, in a pool with that convention.
domain::ImageSource SourceOf(const ImageInput& image, bool oriented);

// Judges the form alone: nothing is opened. `prefix` comes before "source.path" and its like.
void CheckSourceForm(const ImageInput& image, const std::string& prefix, FieldErrors* errors);

}  // namespace mgral::app
