#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/app/field_errors.h"

namespace mgral::app {

// A box as a user sends it: domain::Box with the class by its name, and nothing validated.
struct BoxInput {
  double x_min = 0, y_min = 0, width = 0, height = 0;
  std::string class_name;
  bool ignore = false;
  double score = 0;
};

// The position of each class in the pool's list.
using ClassIndex = std::map<std::string, int>;
ClassIndex IndexOfClasses(const std::vector<std::string>& classes);

// Calls `examine` for each box whose class is one of the pool's, with the prefix of its fields
// ("boxes[3].") and its class, until `errors` is full. Adds errors for the other boxes; for more
// than `max_boxes` a single one, and examines none.
void ForEachBox(const std::vector<BoxInput>& boxes, size_t max_boxes,
                const std::vector<std::string>& pool_classes, const ClassIndex& index,
                FieldErrors* errors,
                const std::function<void(const BoxInput& box, const std::string& prefix,
                                         int class_index)>& examine);

}  // namespace mgral::app
