#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/weights/tensor_input.h"

// The rows that the classes have in a network's last layers, and which of a file's they get.
namespace mgral::core {

// A tensor whose rows are the classes': it has `per_class` rows for each class, and for background
// where the network has one as its first class.
struct ClassRows {
  int64_t per_class = 0;
  int64_t background = 0;  // classes of background: 0 or 1, the same in all tensors of a network
};

// The class tensors of a network, found by comparing it with the same network of one more class.
std::map<std::string, ClassRows> FindClassRows(const NamedTensors& network, int64_t num_classes,
                                               const NamedTensors& one_class_more);

struct ClassChoice {
  int64_t file_classes = 0;  // of the file's class tensors; 0: they do not agree, or are not there
  // For each class of the network, its label in the file, whose first class is 1 where background
  // is 0, else 0; -1 for one that is not there. Empty: no rows are taken.
  std::vector<int64_t> sources;

  // Every class of the network has its rows from the file.
  bool complete() const;
};

// The labels in the file do not fit its classes.
class ClassMismatch : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// `sources` as ClassChoice has them; empty: the file's classes in order, if there are as many.
// `file` has its class tensors, by the network's names. Throws ClassMismatch if it has no class
// that is in `sources`.
ClassChoice ChooseClasses(const std::map<std::string, ClassRows>& class_rows, int64_t num_classes,
                          const std::vector<int64_t>& sources, const NamedTensors& file);

// The network's tensor `own` with the rows of `file` for the background and for the classes that
// have a source. Both are of the same type, and but for their rows of the same shape.
at::Tensor WithRowsOf(const at::Tensor& file, const at::Tensor& own, const std::string& name,
                      const ClassRows& rows, const ClassChoice& choice);

}  // namespace mgral::core
