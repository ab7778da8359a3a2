#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// The XML files of Pascal VOC, as they are written: nothing is checked or converted here.
namespace mgral::client {

struct VocObject {
  std::string name;
  std::array<double, 4> corners;  // xmin, ymin, xmax, ymax; NaN where missing or no number
  bool difficult = false;
};

// Who wrote the file, where it says so: that tells how its corners are counted.
enum class VocWriter { kUnknown, kPascalVoc, kLabelStudio, kDatumaro };

struct VocAnnotation {
  std::string entry;  // the XML file's name
  std::string filename;
  double width = 0, height = 0;  // NaN where missing or no number
  VocWriter writer = VocWriter::kUnknown;
  std::vector<VocObject> objects;
};

// `folder`/*.xml, sorted by name. An error names the file, and the line where it is not XML.
absl::StatusOr<std::vector<VocAnnotation>> ReadVocAnnotations(const std::string& folder);

}  // namespace mgral::client
