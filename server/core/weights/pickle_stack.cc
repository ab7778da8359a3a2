#include "server/core/weights/pickle_stack.h"

#include <stdexcept>
#include <utility>

namespace mgral::core {
namespace {

constexpr size_t kMaxNodes = 1'000'000;  // twenty a tensor is usual
constexpr size_t kMaxItems = 4 * kMaxNodes;

void Bound(size_t count, size_t max) {
  if (count > max) throw std::invalid_argument("a pickle of too many values");
}

}  // namespace

void DamagedPickle() { throw std::invalid_argument("a damaged pickle"); }

void PickleStack::Push(uint32_t node) {
  Bound(stack_.size() + 1, kMaxNodes);
  stack_.push_back(node);
}

Pickle::Node& PickleStack::New(Pickle::Kind kind) {
  Bound(nodes_.size() + 1, kMaxNodes);
  Push(static_cast<uint32_t>(nodes_.size()));
  nodes_.emplace_back().kind = kind;
  return nodes_.back();
}

void PickleStack::NewTuple(std::vector<uint32_t> items) {
  New(Pickle::Kind::kTuple).items = std::move(items);
}

void PickleStack::Extend(Pickle::Kind kind, const std::vector<uint32_t>& items) {
  Pickle::Node& node = nodes_[Top()];
  if (node.kind != kind || (kind == Pickle::Kind::kDict && items.size() % 2 != 0)) DamagedPickle();
  Bound(items_ += items.size(), kMaxItems);
  node.items.insert(node.items.end(), items.begin(), items.end());
}

void PickleStack::Mark() {
  Bound(marks_.size() + 1, kMaxNodes);
  marks_.push_back(stack_.size());
}

uint32_t PickleStack::Top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) DamagedPickle();
  return stack_.back();
}

uint32_t PickleStack::Pop() {
  const uint32_t top = Top();
  stack_.pop_back();
  return top;
}

std::vector<uint32_t> PickleStack::Pop(size_t count) {
  std::vector<uint32_t> items(count);
  for (size_t i = count; i-- > 0;) items[i] = Pop();
  return items;
}

std::vector<uint32_t> PickleStack::PopToMark() {
  if (marks_.empty()) DamagedPickle();
  const size_t mark = marks_.back();
  marks_.pop_back();
  return Pop(stack_.size() - mark);
}

uint32_t PickleStack::Last() const {
  if (stack_.size() != 1 || !marks_.empty()) DamagedPickle();
  return stack_.back();
}

void PickleStack::Remember(uint32_t key) {
  Bound(memo_.size() + 1, kMaxNodes);
  memo_[key] = Top();
}

void PickleStack::Recall(uint32_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) DamagedPickle();
  Push(found->second);
}

}  // namespace mgral::core
