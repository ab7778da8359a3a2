#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mgral::client {

// An element of a small XML document: its text, stripped and with entities replaced, and its
// children. Attributes, comments and processing instructions are read over.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  // The first child of that name, or null.
  const XmlElement* Child(absl::string_view child_name) const;
};

// Reads what VOC annotations are made of. Knows the five predefined entities and character
// references; a document type with declarations, a nesting deeper than 64 or more than a million
// elements is refused, so that no document costs more than its size. Errors give the line.
absl::StatusOr<XmlElement> ParseXml(absl::string_view text);

}  // namespace mgral::client
