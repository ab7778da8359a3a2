#include "server/app/box_input.h"

#include "absl/strings/str_cat.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

// The error for a box whose class is not one of the pool's.
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

}  // namespace

ClassIndex IndexOfClasses(const std::vector<std::string>& classes) {
  ClassIndex index;
  for (size_t c = 0; c < classes.size(); ++c) index[classes[c]] = static_cast<int>(c);
  return index;
}

void ForEachBox(const std::vector<BoxInput>& boxes, size_t max_boxes,
                const std::vector<std::string>& pool_classes, const ClassIndex& index,
                FieldErrors* errors,
                const std::function<void(const BoxInput&, const std::string&, int)>& examine) {
  if (boxes.size() > max_boxes) {
    errors->Add("boxes",
                absl::StrCat("has ", boxes.size(), " boxes; at most ", max_boxes, " are allowed"));
    return;
  }
  for (size_t b = 0; b < boxes.size() && !errors->full(); ++b) {
    const std::string prefix = absl::StrCat("boxes[", b, "].");
    const auto found = index.find(boxes[b].class_name);
    if (found == index.end()) {
      errors->Add(prefix + "class_name", UnknownClass(boxes[b].class_name, pool_classes));
    } else {
      examine(boxes[b], prefix, found->second);
    }
  }
}

}  // namespace mgral::app
