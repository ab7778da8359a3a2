#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cycle/records.pb.h"
#include "server/domain/image.h"
#include "server/domain/labels.h"
#include "server/domain/measurement.h"

// For records.cc and selection_records.cc only: what the conversions of all records share.
namespace mgral::cycle {

using ImageMessages = google::protobuf::RepeatedPtrField<Record::Image>;
using BoxMessages = google::protobuf::RepeatedPtrField<Record::Box>;

// Errors: FAILED_PRECONDITION above 2 GiB.
absl::StatusOr<std::string> Serialize(const Record& record);
// Errors: DATA_LOSS unless `bytes` are one whole record of that kind. `what` is its name in errors.
absl::StatusOr<Record> ParseRecord(absl::string_view bytes, Record::RecordCase kind,
                                   const char* what);
// DATA_LOSS: this is no `what`.
absl::Status Broken(const char* what);

// The C++ value that is read or written is the one beside it in records.h.
void SetImage(const domain::Image& image, Record::Image* out);
absl::StatusOr<domain::Image> GetImage(const Record::Image& in);
absl::StatusOr<std::vector<domain::Image>> GetImages(const ImageMessages& in);
void SetBoxes(const std::vector<domain::Box>& boxes, BoxMessages* out);
absl::StatusOr<std::vector<domain::Box>> GetBoxes(const BoxMessages& in);
void SetGain(const domain::RealizedGain& gain, Record::RealizedGain* out);
domain::RealizedGain GetGain(const Record::RealizedGain& in);

template <typename Values, typename Repeated>
void SetAll(const Values& values, Repeated* repeated) {
  repeated->Assign(values.begin(), values.end());
}

template <typename T, typename Repeated>
std::vector<T> GetAll(const Repeated& repeated) {
  return std::vector<T>(repeated.begin(), repeated.end());
}

}  // namespace mgral::cycle
