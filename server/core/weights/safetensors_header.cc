#include "server/core/weights/safetensors_header.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {
namespace {

constexpr size_t kMaxDimensions = 64;  // parsed; TensorBudget allows fewer
constexpr size_t kMaxMetadata = 10000;

// The header's grammar and no other JSON: nothing nests deeper than it, so that nothing recurses.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view json) : json_(json) {}

  SafetensorsHeader Header() {
    if (!IsUtf8(json_)) throw std::invalid_argument("its header is not UTF-8");
    SafetensorsHeader header;
    bool has_metadata = false;
    Object([&](const std::string& key) {
      if (key == kSafetensorsMetadata) {
        if (std::exchange(has_metadata, true)) Twice(key);
        header.metadata = Metadata();
      } else if (!header.tensors.emplace(key, Entry(key)).second) {
        Twice(key);
      }
    });
    Space();
    if (at_ != json_.size()) Wrong();
    return header;
  }

 private:
  [[noreturn]] void Wrong() const {
    throw std::invalid_argument("its header is not that of a safetensors file, at byte " +
                                std::to_string(at_));
  }

  [[noreturn]] static void Twice(const std::string& key) {
    throw std::invalid_argument("its header names " + Quoted(key) + " twice");
  }

  void Space() {
    while (at_ < json_.size() &&
           std::string_view(" \t\n\r").find(json_[at_]) != std::string::npos) {
      ++at_;
    }
  }

  bool Take(char c) {
    Space();
    if (at_ == json_.size() || json_[at_] != c) return false;
    ++at_;
    return true;
  }

  void Expect(char c) {
    if (!Take(c)) Wrong();
  }

  char Next() {
    if (at_ == json_.size()) Wrong();
    return json_[at_++];
  }

  template <typename F>
  void Object(F&& value_of) {
    Expect('{');
    if (Take('}')) return;
    do {
      const std::string key = String();
      Expect(':');
      value_of(key);
    } while (Take(','));
    Expect('}');
  }

  std::map<std::string, std::string> Metadata() {
    std::map<std::string, std::string> metadata;
    Object([&](const std::string& key) {
      if (!metadata.emplace(key, String()).second) Twice(key);
      if (metadata.size() > kMaxMetadata) Wrong();
    });
    return metadata;
  }

  SafetensorsEntry Entry(const std::string& name) {
    SafetensorsEntry entry;
    bool type = false, shape = false, offsets = false;
    Object([&](const std::string& key) {
      bool* seen = key == "dtype"          ? &type
                   : key == "shape"        ? &shape
                   : key == "data_offsets" ? &offsets
                                           : nullptr;
      if (seen == nullptr || std::exchange(*seen, true)) Wrong();
      if (seen == &type) {
        entry.type = Type(name);
        return;
      }
      const std::vector<int64_t> numbers = Integers();
      if (seen == &shape) {
        entry.shape = numbers;
      } else if (numbers.size() == 2) {
        entry.begin = numbers[0];
        entry.end = numbers[1];
      } else {
        Wrong();
      }
    });
    if (!type || !shape || !offsets) Wrong();
    return entry;
  }

  at::ScalarType Type(const std::string& name) {
    const std::string type = String();
    for (const ElementType& known : ElementTypes()) {
      if (type == known.safetensors) return known.type;
    }
    throw std::invalid_argument("tensor " + Quoted(name) + " has elements of type " + Quoted(type) +
                                ", which are not read");
  }

  std::vector<int64_t> Integers() {
    std::vector<int64_t> numbers;
    Expect('[');
    if (Take(']')) return numbers;
    do {
      if (numbers.size() == kMaxDimensions) Wrong();
      numbers.push_back(Integer());
    } while (Take(','));
    Expect(']');
    return numbers;
  }

  int64_t Integer() {
    Space();
    const size_t first = at_;
    int64_t number = 0;
    for (; at_ < json_.size() && json_[at_] >= '0' && json_[at_] <= '9'; ++at_) {
      if (at_ > first && number == 0) Wrong();  // a zero before other digits
      if (__builtin_mul_overflow(number, int64_t{10}, &number) ||
          __builtin_add_overflow(number, int64_t{json_[at_] - '0'}, &number)) {
        Wrong();
      }
    }
    if (at_ == first) Wrong();
    return number;
  }

  std::string String() {
    Expect('"');
    std::string text;
    for (;;) {
      const char c = Next();
      if (c == '"') return text;
      if (static_cast<unsigned char>(c) < 0x20) Wrong();
      if (c == '\\') {
        Escape(&text);
      } else {
        text += c;
      }
    }
  }

  void Escape(std::string* text) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char c = Next();
    if (c != 'u') {
      const size_t which = kLetters.find(c);
      if (which == std::string_view::npos) Wrong();
      *text += kMeanings[which];
      return;
    }
    uint32_t code = Unit();
    if (code >= 0xd800 && code < 0xdc00) {
      if (Next() != '\\' || Next() != 'u') Wrong();
      const uint32_t low = Unit();
      if (low < 0xdc00 || low >= 0xe000) Wrong();
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      Wrong();
    }
    AppendUtf8(code, text);
  }

  uint32_t Unit() {
    uint32_t unit = 0;
    for (int i = 0; i < 4; ++i) {
      static constexpr std::string_view kDigits = "0123456789abcdef";
      const char c = Next();
      const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
      if (digit == std::string_view::npos) Wrong();
      unit = unit << 4 | static_cast<uint32_t>(digit);
    }
    return unit;
  }

  static void AppendUtf8(uint32_t code, std::string* text) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static constexpr int kLead[] = {0, 0xc0, 0xe0, 0xf0};
    *text += static_cast<char>(kLead[more] | code >> (6 * more));
    for (int k = more - 1; k >= 0; --k) *text += static_cast<char>(0x80 | (code >> (6 * k) & 0x3f));
  }

  std::string_view json_;
  size_t at_ = 0;
};

std::string JsonString(const std::string& text) {
  if (!IsUtf8(text)) throw std::invalid_argument("text " + Quoted(text) + " is not UTF-8");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += {'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]};
    } else {
      json += c;
    }
  }
  return json + "\"";
}

std::string JsonEntry(const SafetensorsEntry& entry) {
  const auto known = std::find_if(ElementTypes().begin(), ElementTypes().end(),
                                  [&](const ElementType& type) { return type.type == entry.type; });
  if (known == ElementTypes().end()) throw std::invalid_argument("a type of elements is unknown");
  std::string shape;
  for (const int64_t size : entry.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
  return std::string("{\"dtype\":\"") + known->safetensors + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + std::to_string(entry.begin) + "," + std::to_string(entry.end) +
         "]}";
}

}  // namespace

SafetensorsHeader ParseSafetensorsHeader(std::string_view json) {
  return HeaderParser(json).Header();
}

std::string FormatSafetensorsHeader(const SafetensorsHeader& header) {
  std::string json;
  if (!header.metadata.empty()) {
    std::string texts;
    for (const auto& [key, text] : header.metadata) {
      texts += (texts.empty() ? "" : ",") + JsonString(key) + ":" + JsonString(text);
    }
    json = JsonString(kSafetensorsMetadata) + ":{" + texts + "}";
  }
  for (const auto& [name, entry] : header.tensors) {
    json += (json.empty() ? "" : ",") + JsonString(name) + ":" + JsonEntry(entry);
  }
  json = "{" + json + "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  return json;
}

}  // namespace mgral::core
