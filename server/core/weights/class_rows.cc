#include "server/core/weights/class_rows.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace mgral::core {
namespace {

int64_t CountClasses(const std::map<std::string, ClassRows>& class_rows, const NamedTensors& file) {
  int64_t classes = 0;
  for (const auto& [name, rows] : class_rows) {
    const auto tensor = file.find(name);
    if (tensor == file.end()) return 0;
    const int64_t all = tensor->second.size(0);
    const int64_t here = all / rows.per_class - rows.background;
    if (all % rows.per_class != 0 || here < 1 || (classes != 0 && here != classes)) return 0;
    classes = here;
  }
  return classes;
}

}  // namespace

std::map<std::string, ClassRows> FindClassRows(const NamedTensors& network, int64_t num_classes,
                                               const NamedTensors& one_class_more) {
  std::map<std::string, ClassRows> found;
  for (const auto& [name, tensor] : network) {
    const at::Tensor& other = one_class_more.at(name);
    if (tensor.sizes() == other.sizes()) continue;
    const int64_t per_class = other.size(0) - tensor.size(0);
    found[name] = {per_class, tensor.size(0) / per_class - num_classes};
  }
  return found;
}

bool ClassChoice::complete() const {
  return !sources.empty() && *std::min_element(sources.begin(), sources.end()) >= 0;
}

ClassChoice ChooseClasses(const std::map<std::string, ClassRows>& class_rows, int64_t num_classes,
                          const std::vector<int64_t>& sources, const NamedTensors& file) {
  ClassChoice choice{CountClasses(class_rows, file), sources};
  if (choice.file_classes == 0) {
    if (sources.empty()) return choice;
    throw ClassMismatch("the file has no class head that fits the network's");
  }
  const int64_t first = class_rows.begin()->second.background;
  const int64_t end = first + choice.file_classes;
  if (sources.empty() && choice.file_classes == num_classes) {
    for (int64_t label = first; label < end; ++label) choice.sources.push_back(label);
  }
  for (const int64_t source : sources) {
    if (source < 0 || (source >= first && source < end)) continue;
    throw ClassMismatch("the file's labels are " + std::to_string(first) + " to " +
                        std::to_string(end - 1) + ", not " + std::to_string(source));
  }
  return choice;
}

at::Tensor WithRowsOf(const at::Tensor& file, const at::Tensor& own, const std::string& name,
                      const ClassRows& rows, const ClassChoice& choice) {
  // Faster R-CNN's boxes have the rows of a class side by side; elsewhere, those of an anchor are.
  const bool by_class = name.find("bbox_pred") != std::string::npos;
  const auto rows_of = [&](const at::Tensor& tensor, int64_t label) {
    if (by_class) return tensor.slice(0, label * rows.per_class, (label + 1) * rows.per_class);
    return tensor.slice(0, label, tensor.size(0), tensor.size(0) / rows.per_class);
  };
  at::Tensor mixed = own.clone();
  for (int64_t label = 0; label < rows.background; ++label) {
    rows_of(mixed, label).copy_(rows_of(file, label));
  }
  int64_t label = rows.background;
  for (const int64_t source : choice.sources) {
    if (source >= 0) rows_of(mixed, label).copy_(rows_of(file, source));
    ++label;
  }
  return mixed;
}

}  // namespace mgral::core
