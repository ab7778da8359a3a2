#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/errors.h"

namespace mgral::app {

// Collects what is wrong with a request, so that the caller sees (nearly) all of it at once.
class FieldErrors {
 public:
  static constexpr size_t kMax = 20;  // more than that is counted, not kept

  void Add(const std::string& field, const std::string& description);
  // What a port says of one item: its violations, else its message, below `prefix` ("images[3].").
  void AddStatus(const std::string& prefix, const absl::Status& status);

  bool empty() const { return violations_.empty(); }
  bool full() const { return violations_.size() >= kMax; }
  const std::vector<base::FieldViolation>& violations() const { return violations_; }
  // OK when there is nothing.
  absl::Status ToStatus() const;

 private:
  std::vector<base::FieldViolation> violations_;
};

// What is wrong with a text that people will read: too long, not UTF-8, control characters. Empty
// when nothing is.
std::string TextProblem(absl::string_view text, size_t max_bytes);

// An image_id is 1 to 256 bytes of printable UTF-8 without "/". Empty when it is.
std::string ImageIdProblem(absl::string_view image_id);

}  // namespace mgral::app
