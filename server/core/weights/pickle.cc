#include "server/core/weights/pickle.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "server/core/bytes.h"
#include "server/core/weights/pickle_stack.h"
#include "server/core/weights/tensor_input.h"

namespace mgral::core {
namespace {

using Kind = Pickle::Kind;

constexpr size_t kMaxGlobalBytes = 200;
// What LibTorch calls around a dict, with the name of its type.
constexpr std::string_view kTypeTag = "torch.jit._pickle.restore_type_tag";

// The global's name as a constant.
std::string_view KnownGlobal(std::string_view module, std::string_view name) {
  static constexpr std::string_view kKnown[] = {
      "collections.OrderedDict",         "torch._utils._rebuild_tensor",
      "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
      "torch.nn.parameter.Parameter",    kTypeTag};
  const std::string global = std::string(module) + "." + std::string(name);
  for (const std::string_view known : kKnown) {
    if (global == known) return known;
  }
  for (const ElementType& type : ElementTypes()) {
    if (global == type.storage) return type.storage;
  }
  const std::string shown = Quoted(global);
  throw std::invalid_argument("holds Python code: " + shown.substr(1, shown.size() - 2) +
                              "; only tensors are read");
}

// The machine that Python's pickle module documents, without what state dicts do not need.
class PickleMachine : private PickleStack {
 public:
  explicit PickleMachine(std::string_view bytes) : bytes_(bytes) {}

  Pickle Run() {
    for (;;) {
      const auto op = Get<uint8_t>();
      if (op == '.') break;
      if (!Number(op) && !Text(op) && !Container(op) && !Memo(op) && !Object(op)) {
        throw std::invalid_argument("a pickle with an instruction that state dicts do not need (" +
                                    std::to_string(op) + ")");
      }
    }
    Pickle pickle;
    pickle.root = Last();
    pickle.nodes = std::move(nodes_);
    pickle.size = at_;
    return pickle;
  }

 private:
  template <typename T>
  T Get() {
    if (bytes_.size() - at_ < sizeof(T)) throw std::invalid_argument("a pickle that is cut short");
    const T value = ByteReader(bytes_.substr(at_)).Get<T>();
    at_ += sizeof(T);
    return value;
  }

  std::string_view Take(uint64_t count) {
    if (bytes_.size() - at_ < count) throw std::invalid_argument("a pickle that is cut short");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  std::string_view Line() {
    const size_t end = bytes_.substr(at_, kMaxGlobalBytes + 1).find('\n');
    if (end == std::string_view::npos) DamagedPickle();
    const std::string_view line = Take(end);
    ++at_;
    return line;
  }

  bool Number(uint8_t op) {
    switch (op) {
      case 'N':
        New(Kind::kNone);
        return true;
      case 0x88:
      case 0x89:
        New(Kind::kInteger).number = op == 0x88;
        return true;
      case 'J':
        New(Kind::kInteger).number = Get<int32_t>();
        return true;
      case 'K':
        New(Kind::kInteger).number = Get<uint8_t>();
        return true;
      case 'M':
        New(Kind::kInteger).number = Get<uint16_t>();
        return true;
      case 'G':
        Take(8);
        New(Kind::kOther);
        return true;
      case 0x8a:
        Long(Take(Get<uint8_t>()));
        return true;
      default:
        return false;
    }
  }

  void Long(std::string_view bytes) {
    if (bytes.size() > 8) {
      New(Kind::kLong).text = bytes;
      return;
    }
    const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
    uint64_t number = negative ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(bytes[i]);
    New(Kind::kInteger).number = static_cast<int64_t>(number);
  }

  bool Text(uint8_t op) {
    switch (op) {
      case 'U':
      case 0x8c: {
        const auto length = Get<uint8_t>();
        New(Kind::kText).text = Take(length);
        return true;
      }
      case 'T':
      case 'X': {
        const auto length = Get<uint32_t>();
        New(Kind::kText).text = Take(length);
        return true;
      }
      case 0x8d: {
        const auto length = Get<uint64_t>();
        New(Kind::kText).text = Take(length);
        return true;
      }
      default:
        return false;
    }
  }

  bool Container(uint8_t op) {
    switch (op) {
      case '(':
        Mark();
        return true;
      case ')':
        New(Kind::kTuple);
        return true;
      case 't':
        NewTuple(PopToMark());
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        NewTuple(Pop(op - 0x84));
        return true;
      case ']':
        New(Kind::kList);
        return true;
      case '}':
        New(Kind::kDict);
        return true;
      case 'a':
        Extend(Kind::kList, Pop(1));
        return true;
      case 'e':
        Extend(Kind::kList, PopToMark());
        return true;
      case 's':
        Extend(Kind::kDict, Pop(2));
        return true;
      case 'u':
        Extend(Kind::kDict, PopToMark());
        return true;
      case '0':
        Pop();
        return true;
      default:
        return false;
    }
  }

  bool Memo(uint8_t op) {
    switch (op) {
      case 'q':
        Remember(Get<uint8_t>());
        return true;
      case 'r':
        Remember(Get<uint32_t>());
        return true;
      case 0x94:
        RememberNext();
        return true;
      case 'h':
        Recall(Get<uint8_t>());
        return true;
      case 'j':
        Recall(Get<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  bool Object(uint8_t op) {
    switch (op) {
      case 0x80:
        if (Get<uint8_t>() > 5) throw std::invalid_argument("a pickle of an unknown protocol");
        return true;
      case 0x95:
        Get<uint64_t>();  // a frame: how much may be read ahead
        return true;
      case 'c': {
        const std::string_view module = Line();
        New(Kind::kGlobal).text = KnownGlobal(module, Line());
        return true;
      }
      case 0x93: {
        const std::vector<uint32_t> names = Pop(2);
        for (const uint32_t name : names) {
          if (nodes_[name].kind != Kind::kText) DamagedPickle();
        }
        const auto global = KnownGlobal(nodes_[names[0]].text, nodes_[names[1]].text);
        New(Kind::kGlobal).text = global;
        return true;
      }
      case 'R':
        Call(Pop(2));
        return true;
      case 'b':
        Pop();  // attributes: a state dict's are "_metadata"
        Top();
        return true;
      case 'Q':
        New(Kind::kPersistent).items = Pop(1);
        return true;
      default:
        return false;
    }
  }

  void Call(std::vector<uint32_t> items) {
    const Pickle::Node &global = nodes_[items[0]], &arguments = nodes_[items[1]];
    if (global.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) DamagedPickle();
    if (global.text == kTypeTag && arguments.items.size() == 2) {
      Push(arguments.items[0]);
      return;
    }
    if (global.text != "collections.OrderedDict") {
      New(Kind::kCall).items = std::move(items);
      return;
    }
    std::vector<uint32_t> entries;
    if (!arguments.items.empty()) {  // of Python 2, which gives a list of pairs
      for (const uint32_t pair : nodes_[arguments.items[0]].items) {
        if (nodes_[pair].items.size() != 2) DamagedPickle();
        entries.insert(entries.end(), nodes_[pair].items.begin(), nodes_[pair].items.end());
      }
    }
    New(Kind::kDict);
    Extend(Kind::kDict, entries);
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

Pickle ReadPickle(std::string_view bytes) { return PickleMachine(bytes).Run(); }

}  // namespace mgral::core
