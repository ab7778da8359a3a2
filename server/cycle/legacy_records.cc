#include "server/cycle/legacy_records.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/cycle/legacy_bytes.h"

namespace mgral::cycle {
namespace {

using nlohmann::json;

constexpr char kExamples[] = "mgral-examples-1";

// The fewest bytes that one item of a list takes.
constexpr uint64_t kMinExampleBytes = 32, kMinBoxBytes = 45;

absl::Status Broken(const char* what) {
  return absl::DataLossError(
      absl::StrCat("a record of the cycle that release 0.1 left is not ", what, ", or was cut"));
}

domain::Image GetImage(ByteReader* reader) {
  domain::Image image;
  image.key = reader->Number<int64_t>();
  image.image_id = reader->Text();
  image.source.kind = static_cast<domain::ImageSource::Kind>(reader->Number<int32_t>());
  image.source.location = reader->Text();
  return image;
}

std::vector<domain::Box> GetBoxes(ByteReader* reader) {
  std::vector<domain::Box> boxes(reader->Count(kMinBoxBytes));
  for (domain::Box& box : boxes) {
    for (double* value : {&box.x_min, &box.y_min, &box.width, &box.height, &box.score}) {
      *value = reader->Number<double>();
    }
    box.class_index = reader->Number<int32_t>();
    box.ignore = reader->Number<uint8_t>() != 0;
  }
  return boxes;
}

std::vector<domain::Example> GetExamples(ByteReader* reader) {
  std::vector<domain::Example> examples(reader->Count(kMinExampleBytes));
  for (domain::Example& example : examples) {
    example.image = GetImage(reader);
    example.boxes = GetBoxes(reader);
  }
  return examples;
}

}  // namespace

bool IsLegacyRecord(absl::string_view bytes) {
  // The binary formats begin with a length of 64 bits and a name; a Record's second byte is 0 only
  // if nothing follows it.
  constexpr char kHead[] = "\0\0\0\0\0\0\0mgral-";
  const absl::string_view head(kHead, sizeof(kHead) - 1);
  return absl::StartsWith(bytes, "{") ||
         (!bytes.empty() && absl::StartsWith(bytes.substr(1), head));
}

absl::StatusOr<Manifest> ParseLegacyManifest(absl::string_view bytes) {
  try {
    const json in = json::parse(bytes.begin(), bytes.end());
    Manifest manifest;
    manifest.examples_sha256 = in.at("examples").get<std::string>();
    manifest.cold_start = in.at("cold_start").get<bool>();
    return manifest;
  } catch (const json::exception&) {
    return Broken("a snapshot's manifest");
  }
}

absl::StatusOr<CycleExamples> ParseLegacyExamples(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.Text() != kExamples) return Broken("a list of labeled images");
  CycleExamples examples;
  examples.training = GetExamples(&reader);
  examples.validation = GetExamples(&reader);
  if (!reader.Done()) return Broken("a list of labeled images");
  return examples;
}

}  // namespace mgral::cycle
