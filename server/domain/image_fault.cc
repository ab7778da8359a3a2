#include "server/domain/image_fault.h"

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mgral::domain {
namespace {

constexpr char kFault[] = "mgral/image_fault";

std::optional<ImageFault> GivenFault(const absl::Status& error) {
  const auto payload = error.GetPayload(kFault);
  int fault = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &fault)) return std::nullopt;
  return static_cast<ImageFault>(fault);
}

}  // namespace

ImageFault FaultOf(const absl::Status& error) {
  const std::optional<ImageFault> given = GivenFault(error);
  if (given) return *given;
  switch (error.code()) {
    case absl::StatusCode::kInvalidArgument:
      return ImageFault::kContent;
    case absl::StatusCode::kDataLoss:
      return ImageFault::kMissing;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ImageFault::kUnreachable;
    default:
      return ImageFault::kNone;
  }
}

bool HasFault(const absl::Status& error, ImageFault fault) { return GivenFault(error) == fault; }

absl::Status WithFault(absl::Status error, ImageFault fault) {
  error.SetPayload(kFault, absl::Cord(absl::StrCat(static_cast<int>(fault))));
  return error;
}

}  // namespace mgral::domain
