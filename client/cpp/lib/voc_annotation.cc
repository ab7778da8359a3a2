#include "client/cpp/lib/voc_annotation.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <pugixml.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/lib/files.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

double Number(const pugi::xml_node& parent, const char* name) {
  double value = 0;
  return absl::SimpleAtod(parent.child_value(name), &value) ? value : std::nan("");
}

VocWriter WriterOf(const pugi::xml_node& root) {
  const pugi::xml_node source = root.child("source");
  const absl::string_view database = source.child_value("database");
  if (absl::StartsWith(database, "The VOC") && absl::EndsWith(database, "Database")) {
    return VocWriter::kPascalVoc;
  }
  if (absl::string_view(root.child("owner").child_value("name")) == "Label Studio") {
    return VocWriter::kLabelStudio;
  }
  // CVAT's export, too, is Datumaro's. Other tools write "Unknown" for the database alone.
  const bool unknown = database == "Unknown" &&
                       absl::string_view(source.child_value("annotation")) == "Unknown" &&
                       absl::string_view(source.child_value("image")) == "Unknown";
  return unknown ? VocWriter::kDatumaro : VocWriter::kUnknown;
}

// Entities are not expanded by pugixml, so that no document costs more than its size; a file that
// declares some is refused rather than misread.
absl::Status ParseXml(const std::string& text, pugi::xml_document* document) {
  const unsigned options = pugi::parse_default | pugi::parse_doctype | pugi::parse_trim_pcdata;
  const pugi::xml_parse_result result = document->load_buffer(text.data(), text.size(), options);
  if (!result) {
    const auto end = text.begin() + std::min<size_t>(result.offset, text.size());
    return absl::InvalidArgumentError(absl::StrCat(
        "is not XML: line ", 1 + std::count(text.begin(), end, '\n'), ": ", result.description()));
  }
  int elements = 0;
  for (const pugi::xml_node& node : *document) {
    if (node.type() == pugi::node_element) ++elements;
    if (node.type() != pugi::node_doctype) continue;
    for (const char* declaration : {"[", "SYSTEM", "PUBLIC"}) {
      if (absl::StrContains(node.value(), declaration)) {
        return absl::InvalidArgumentError(
            "has a document type with declarations, which no annotation needs");
      }
    }
  }
  if (elements != 1) return absl::InvalidArgumentError("is not XML: it has no single root element");
  return absl::OkStatus();
}

absl::StatusOr<VocAnnotation> ReadAnnotation(const fs::path& file) {
  absl::StatusOr<std::string> text = ReadFile(file.string());
  if (!text.ok()) return text.status();
  pugi::xml_document document;
  const absl::Status parsed = ParseXml(*text, &document);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), ": ", parsed.message()));
  }
  const pugi::xml_node root = document.document_element();
  if (absl::string_view(root.name()) != "annotation") {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), ": is <", root.name(),
                                                   ">, not the <annotation> of Pascal VOC"));
  }
  VocAnnotation annotation;
  annotation.entry = file.filename().string();
  annotation.filename = root.child_value("filename");
  annotation.width = Number(root.child("size"), "width");
  annotation.height = Number(root.child("size"), "height");
  annotation.writer = WriterOf(root);
  for (const pugi::xml_node& node : root.children("object")) {
    const pugi::xml_node box = node.child("bndbox");
    annotation.objects.push_back(
        {node.child_value("name"),
         {Number(box, "xmin"), Number(box, "ymin"), Number(box, "xmax"), Number(box, "ymax")},
         absl::string_view(node.child_value("difficult")) == "1"});
  }
  return annotation;
}

}  // namespace

absl::StatusOr<std::vector<VocAnnotation>> ReadVocAnnotations(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".xml") files.push_back(it->path());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": cannot be listed"));
  std::sort(files.begin(), files.end());
  std::vector<VocAnnotation> annotations;
  for (const fs::path& file : files) {
    absl::StatusOr<VocAnnotation> annotation = ReadAnnotation(file);
    if (!annotation.ok()) return annotation.status();
    annotations.push_back(*std::move(annotation));
  }
  return annotations;
}

}  // namespace mgral::client
