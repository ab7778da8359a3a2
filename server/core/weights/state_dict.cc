#include "server/core/weights/state_dict.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace mgral::core {
namespace {

using Kind = Pickle::Kind;
using Node = Pickle::Node;

constexpr int kMaxNesting = 16;
constexpr size_t kMaxVisits = 1'000'000;  // the same dict may be in many

[[noreturn]] void Damaged() { throw std::invalid_argument("a damaged state dict"); }

class StateDictReader {
 public:
  StateDictReader(const Pickle& pickle, const TensorLimits& limits)
      : pickle_(pickle), budget_(limits) {}

  StateDict Read() {
    for (const Node& node : pickle_.nodes) {
      if (node.kind == Kind::kPersistent) AddStorage(node);
    }
    const Node* root = &pickle_.at(pickle_.root);
    for (int depth = 0; const Node* wrapped = Wrapped(*root); root = wrapped) {
      if (++depth > kMaxNesting) Damaged();
    }
    if (root->kind != Kind::kDict) throw std::invalid_argument("holds no state dict");
    Flatten(*root, "", 0);
    if (dict_.tensors.empty()) throw std::invalid_argument("holds no tensors");
    return std::move(dict_);
  }

 private:
  const Node& Item(const Node& node, size_t i) const {
    if (i >= node.items.size()) Damaged();
    return pickle_.at(node.items[i]);
  }

  const Node& Item(const Node& node, size_t i, Kind kind) const {
    const Node& item = Item(node, i);
    if (item.kind != kind) Damaged();
    return item;
  }

  // ("storage", torch.FloatStorage, key, device, count); old versions add None.
  const Node& StorageId(const Node& node) const {
    const Node& id = Item(node, 0, Kind::kTuple);
    if (Item(id, 0, Kind::kText).text != "storage") Damaged();
    if (id.items.size() > 6 || (id.items.size() == 6 && Item(id, 5).kind != Kind::kNone)) {
      throw std::invalid_argument("holds a view of a storage, as only the first versions wrote");
    }
    return id;
  }

  void AddStorage(const Node& node) {
    const Node& id = StorageId(node);
    const std::string_view name = Item(id, 1, Kind::kGlobal).text;
    const std::string key(Item(id, 2, Kind::kText).text);
    StateDict::Storage storage;
    storage.count = Item(id, 4, Kind::kInteger).number;
    const auto type =
        std::find_if(ElementTypes().begin(), ElementTypes().end(),
                     [name](const ElementType& known) { return name == known.storage; });
    if (type == ElementTypes().end() || storage.count < 0) Damaged();
    storage.type = type->type;
    const auto [known, added] = dict_.storages.emplace(key, storage);
    if (!added && (known->second.type != storage.type || known->second.count != storage.count)) {
      throw std::invalid_argument("describes storage " + Quoted(key) + " in two ways");
    }
  }

  // Null where the dict wraps no other.
  const Node* Wrapped(const Node& node) const {
    if (node.kind != Kind::kDict) return nullptr;
    const Node* found = nullptr;
    size_t best = 3;
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      static constexpr std::string_view kWrappers[] = {"state_dict", "model_state_dict", "model"};
      const Node &key = pickle_.at(node.items[i]), &value = pickle_.at(node.items[i + 1]);
      if (Tensor(value) != nullptr) return nullptr;
      if (key.kind != Kind::kText || value.kind != Kind::kDict) continue;
      for (size_t k = 0; k < best; ++k) {
        if (key.text != kWrappers[k]) continue;
        best = k;
        found = &value;
      }
    }
    return found;
  }

  // The call that makes a tensor; null for another value.
  const Node* Tensor(const Node& value) const {
    const Node* node = &value;
    for (int depth = 0; node->kind == Kind::kCall; ++depth) {
      const std::string_view global = Item(*node, 0).text;
      if (global == "torch._utils._rebuild_tensor_v2" || global == "torch._utils._rebuild_tensor") {
        return node;
      }
      if (depth == kMaxNesting || (global != "torch._utils._rebuild_parameter" &&
                                   global != "torch.nn.parameter.Parameter")) {
        Damaged();  // a storage's type does not make anything
      }
      node = &Item(Item(*node, 1), 0);
    }
    return nullptr;
  }

  void Flatten(const Node& dict, const std::string& prefix, int depth) {
    if (depth > kMaxNesting) throw std::invalid_argument("dicts nest too deep");
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      if (++visits_ > kMaxVisits) throw std::invalid_argument("too many values");
      const Node &key = pickle_.at(dict.items[i]), &value = pickle_.at(dict.items[i + 1]);
      const Node* tensor = Tensor(value);
      if (tensor == nullptr && value.kind != Kind::kDict) continue;
      if (key.kind != Kind::kText && key.kind != Kind::kInteger) Damaged();
      std::string name = prefix;
      name += key.kind == Kind::kText ? key.text : std::to_string(key.number);
      if (tensor == nullptr) {
        if (name.size() > kMaxPrefixBytes) throw std::invalid_argument("names are too long");
        Flatten(value, name + ".", depth + 1);
      } else if (!dict_.tensors.emplace(name, View(name, Item(*tensor, 1, Kind::kTuple))).second) {
        throw std::invalid_argument("tensor " + Quoted(name) + " occurs twice");
      }
    }
  }

  std::vector<int64_t> Integers(const Node& tuple) const {
    std::vector<int64_t> numbers;
    for (size_t i = 0; i < tuple.items.size(); ++i) {
      numbers.push_back(Item(tuple, i, Kind::kInteger).number);
    }
    return numbers;
  }

  // Arguments: (storage, offset, shape, strides, ...).
  StateDict::View View(const std::string& name, const Node& arguments) {
    StateDict::View view;
    view.storage = Item(StorageId(Item(arguments, 0, Kind::kPersistent)), 2).text;
    view.offset = Item(arguments, 1, Kind::kInteger).number;
    view.shape = Integers(Item(arguments, 2, Kind::kTuple));
    view.strides = Integers(Item(arguments, 3, Kind::kTuple));
    const StateDict::Storage& storage = dict_.storages.at(view.storage);
    const bool empty = budget_.Take(name, view.shape, storage.type) == 0;
    int64_t last = view.offset;
    bool fits = view.shape.size() == view.strides.size() && view.offset >= 0;
    for (size_t i = 0; fits && i < view.shape.size(); ++i) {
      int64_t reach = 0;
      fits = view.strides[i] >= 0 &&
             (empty || (!__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &reach) &&
                        !__builtin_add_overflow(last, reach, &last)));
    }
    if (!fits || last > storage.count || (!empty && last == storage.count)) {
      throw std::invalid_argument("tensor " + Quoted(name) + " reaches out of its storage of " +
                                  std::to_string(storage.count) + " elements");
    }
    return view;
  }

  static constexpr size_t kMaxPrefixBytes = 1000;

  const Pickle& pickle_;
  TensorBudget budget_;
  StateDict dict_;
  size_t visits_ = 0;
};

}  // namespace

StateDict ReadStateDict(const Pickle& pickle, const TensorLimits& limits) {
  return StateDictReader(pickle, limits).Read();
}

}  // namespace mgral::core
