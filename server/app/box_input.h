#pragma once

#include <map>
#include <string>
#include <vector>

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

// What is wrong with a box whose class is none of these.
std::string UnknownClass(const std::string& name, const std::vector<std::string>& classes);

}  // namespace mgral::app
