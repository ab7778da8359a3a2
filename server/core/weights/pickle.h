#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mgral::core {

// What a Python pickle says, as data: nothing is imported, called, or made. A call of a global is
// written down as such; only those that state dicts of PyTorch name are known.
struct Pickle {
  enum class Kind : uint8_t {
    kNone,
    kInteger,     // number; a boolean's, too
    kLong,        // text: an integer of more than 8 bytes, little-endian
    kOther,       // a number with a fraction
    kText,        // text
    kTuple,       // items
    kList,        // items
    kDict,        // items: keys and values by turns; of an OrderedDict, too
    kGlobal,      // text: "module.name"
    kPersistent,  // items: what identifies an object that lies outside the pickle
    kCall,        // items: the global and the tuple of its arguments
  };
  struct Node {
    Kind kind = Kind::kNone;
    int64_t number = 0;
    std::string_view text;        // in the pickle's bytes, or constant
    std::vector<uint32_t> items;  // indices of nodes; a node may be in several, even in itself
  };

  std::vector<Node> nodes;
  uint32_t root = 0;
  size_t size = 0;  // how many bytes the pickle is long

  const Node& at(uint32_t index) const { return nodes[index]; }
};

// The pickle (protocols 2 to 5) at the beginning of the bytes, which must outlive the result.
// Throws std::invalid_argument naming the global if it has one that is not known, and if it is
// damaged, cut short, or has more than a million nodes. Takes memory in proportion to the bytes.
Pickle ReadPickle(std::string_view bytes);

}  // namespace mgral::core
