#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/core/weights/class_rows.h"
#include "server/core/weights/tensor_input.h"

// Other people's weights in a network of ours, by name and shape.
namespace mgral::core {

struct StateMatch {
  NamedTensors state;  // of the network: the file's values, and its own of `left`
  int64_t taken = 0;   // tensors whose values are the file's
  // Of the network, sorted: not, or not all of its rows, in the file.
  std::vector<std::string> left;
  std::vector<std::string> unused;  // of the file, as it calls them, sorted
  int64_t file_classes = 0;         // of the file's class tensors; 0: it has none that fit
  bool classes_taken = false;       // every class of the network has its rows from the file
};

struct MatchOptions {
  int64_t num_classes = 0;
  std::map<std::string, ClassRows> class_rows;
  std::vector<int64_t> class_sources;  // as ChooseClasses takes them
  // Tensors of a trunk that is given: the file's must be the same, if it has a trunk. Empty: the
  // file's trunk is taken.
  std::set<std::string> fixed_trunk;
};

// Names of the file may have a prefix that wrappers give ("module.", "model.", "state_dict."), may
// be those of earlier versions of torchvision, and may be a trunk's alone, as torchvision calls
// them in classifiers; a classifier's last layers are not used. A part of the network (its trunk,
// its pyramid, each head) is taken whole or not at all, but for the rows of classes.
//
// Floating-point numbers become the network's type. Counters of batches (num_batches_tracked) may
// be missing. Throws std::invalid_argument naming the first tensor where the trunk is not the
// network's, is not the fixed one, or nothing else fits, and where a tensor that would be used has
// integers, values that are not finite, or a negative variance; and what ChooseClasses throws.
StateMatch MatchState(const NamedTensors& network, const NamedTensors& file,
                      const MatchOptions& options);

}  // namespace mgral::core
