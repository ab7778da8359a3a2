#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "server/core/weights/pickle.h"

namespace mgral::core {

[[noreturn]] void DamagedPickle();

// The stack, the marks on it, and the memo of a machine that reads a pickle. Everything is bounded,
// and nothing recurses however deep values nest. Throws std::invalid_argument.
class PickleStack {
 public:
  void Push(uint32_t node);
  // On top of the stack. The reference is valid until the next one.
  Pickle::Node& New(Pickle::Kind kind);
  void NewTuple(std::vector<uint32_t> items);
  // Appends to the list or the dict on top; to a dict, keys and values by turns.
  void Extend(Pickle::Kind kind, const std::vector<uint32_t>& items);

  void Mark();
  // Nothing below the last mark is taken.
  uint32_t Pop();
  std::vector<uint32_t> Pop(size_t count);
  std::vector<uint32_t> PopToMark();
  uint32_t Top() const;
  // The only value left.
  uint32_t Last() const;

  void Remember(uint32_t key);
  void RememberNext() { Remember(static_cast<uint32_t>(memo_.size())); }
  void Recall(uint32_t key);

 protected:
  std::vector<Pickle::Node> nodes_;

 private:
  size_t items_ = 0;  // in lists and dicts
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, uint32_t> memo_;
};

}  // namespace mgral::core
