#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/weights/tensor_input.h"

// Other people's weights in a network of ours, by name and shape.
namespace mgral::core {

// A tensor whose rows are the classes': it has `per_class` rows for each class, and for background
// where the network has one as its first class.
struct ClassRows {
  int64_t per_class = 0;
  int64_t background = 0;  // classes of background: 0 or 1
};

// The class tensors of a network, found by comparing it with the same network of one more class.
std::map<std::string, ClassRows> FindClassRows(const NamedTensors& network, int64_t num_classes,
                                               const NamedTensors& one_class_more);

struct StateMatch {
  NamedTensors state;  // of the network: the file's values, and its own of `left`
  int64_t taken = 0;   // tensors whose values are the file's
  std::vector<std::string>
      left;  // of the network, sorted: not, or not all of its rows, in the file
  std::vector<std::string> unused;  // of the file, as it calls them, sorted
  int64_t file_classes = 0;         // of the file's class tensors; 0: it has none that fit
  bool classes_taken = false;       // every class of the network has its rows from the file
};

struct MatchOptions {
  int64_t num_classes = 0;
  std::map<std::string, ClassRows> class_rows;
  // For each class of the network, its label in the file (the first class is 1 where background is
  // 0, else 0), or -1 for one that is not there. Empty: they are the file's classes in order, if
  // there are as many.
  std::vector<int64_t> class_sources;
  // Tensors of a trunk that is given: the file's must be the same, if it has a trunk. Empty: the
  // file's trunk is taken.
  std::set<std::string> fixed_trunk;
};

// The file's classes do not fit `class_sources`.
class ClassMismatch : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Names of the file may have a prefix that wrappers give ("module.", "model.", "state_dict."), may
// be those of earlier versions of torchvision, and may be a trunk's alone, as torchvision calls
// them in classifiers; a classifier's last layers are not used. A part of the network (its trunk,
// its pyramid, each head) is taken whole or not at all, but for the rows of classes.
//
// Floating-point numbers become the network's type. Counters of batches (num_batches_tracked) may
// be missing. Throws std::invalid_argument naming the first tensor where the trunk is not the
// network's, is not the fixed one, or nothing else fits, and where a tensor that would be used has
// integers, values that are not finite, or a negative variance.
StateMatch MatchState(const NamedTensors& network, const NamedTensors& file,
                      const MatchOptions& options);

}  // namespace mgral::core
