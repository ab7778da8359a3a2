#include "server/app/box_input.h"

#include "absl/strings/str_cat.h"
#include "server/base/text.h"

namespace mgral::app {

ClassIndex IndexOfClasses(const std::vector<std::string>& classes) {
  ClassIndex index;
  for (size_t c = 0; c < classes.size(); ++c) index[classes[c]] = static_cast<int>(c);
  return index;
}

std::string UnknownClass(const std::string& name, const std::vector<std::string>& classes) {
  constexpr size_t kNamed = 10;
  std::string text =
      absl::StrCat("unknown class ", base::Quoted(name), "; the pool's classes are ");
  for (size_t i = 0; i < classes.size() && i < kNamed; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", base::Quoted(classes[i]));
  }
  if (classes.size() > kNamed) absl::StrAppend(&text, ", ... (", classes.size(), " in all)");
  return text;
}

}  // namespace mgral::app
