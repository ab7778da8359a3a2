#pragma once

#include <exception>
#include <string>

namespace mgral::core::testing_support {

// What the exception says that `work` throws; "no error" if it throws none.
template <typename F>
std::string ErrorOf(F&& work) {
  try {
    work();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace mgral::core::testing_support
