#include "server/app/image_input.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/base/limits.h"

namespace mgral::app {
namespace {

std::string PathProblem(const std::string& path) {
  if (path.empty()) return "is empty";
  const std::string text = TextProblem(path, base::kMaxPathBytes);
  if (!text.empty()) return text;
  if (path.front() == '/') return "is absolute: give it relative to the server's image root";
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  for (const std::string& part : parts) {
    if (part == "..") return "has \"..\": it may not leave the image root";
    if (part.empty()) return "has an empty part (\"//\", or \"/\" at its end)";
  }
  return "";
}

std::string UriProblem(const std::string& uri) {
  if (uri.empty()) return "is empty";
  const std::string text = TextProblem(uri, base::kMaxPathBytes);
  if (!text.empty()) return text;
  if (!absl::StartsWith(uri, "http://") && !absl::StartsWith(uri, "https://")) {
    return "is not an http:// or https:// address";
  }
  return "";
}

}  // namespace

domain::ImageSource SourceOf(const ImageInput& image, bool oriented) {
  using Kind = domain::ImageSource::Kind;
  return {image.given == ImageInput::Given::kUri ? Kind::kUri : Kind::kPath, image.location,
          oriented};
}

void CheckSourceForm(const ImageInput& image, const std::string& prefix, FieldErrors* errors) {
  std::string field, problem;
  switch (image.given) {
    case ImageInput::Given::kNothing:
      field = "source";
      problem = "is missing: give a path, data or a uri";
      break;
    case ImageInput::Given::kPath:
      field = "source.path";
      problem = PathProblem(image.location);
      break;
    case ImageInput::Given::kUri:
      field = "source.uri";
      problem = UriProblem(image.location);
      break;
    case ImageInput::Given::kData:
      field = "source.data";
      problem = image.data.empty() ? "is empty" : "";
      break;
  }
  if (!problem.empty()) errors->Add(prefix + field, problem);
}

}  // namespace mgral::app
