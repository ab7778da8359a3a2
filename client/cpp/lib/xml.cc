#include "client/cpp/lib/xml.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mgral::client {
namespace {

constexpr int kMaxDepth = 64;
constexpr int kMaxElements = 1000000;

bool IsNameStart(char c) {
  return absl::ascii_isalpha(c) || c == '_' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}
bool IsName(char c) { return IsNameStart(c) || absl::ascii_isdigit(c) || c == '-' || c == '.'; }

void AppendUtf8(std::string* out, uint32_t code) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<XmlElement> Document() {
    Skip("\xEF\xBB\xBF");
    if (absl::Status status = SkipMisc(); !status.ok()) return status;
    XmlElement root;
    if (absl::Status status = Element(&root, 1); !status.ok()) return status;
    if (absl::Status status = SkipMisc(); !status.ok()) return status;
    if (position_ != text_.size()) return Error("text after the end of the document");
    return root;
  }

 private:
  absl::Status Error(const std::string& what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + position_, '\n');
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }

  bool At(absl::string_view token) const {
    return absl::StartsWith(text_.substr(position_), token);
  }
  bool Skip(absl::string_view token) {
    if (!At(token)) return false;
    position_ += token.size();
    return true;
  }
  void SkipSpace() {
    while (position_ < text_.size() && absl::ascii_isspace(text_[position_])) ++position_;
  }
  bool SkipPast(absl::string_view token) {
    const size_t found = text_.find(token, position_);
    if (found == absl::string_view::npos) return false;
    position_ = found + token.size();
    return true;
  }

  // Space, comments, processing instructions and a plain <!DOCTYPE name> between elements.
  absl::Status SkipMisc() {
    for (;;) {
      SkipSpace();
      if (At("<!--")) {
        if (!SkipPast("-->")) return Error("a comment without an end");
      } else if (At("<?")) {
        if (!SkipPast("?>")) return Error("a processing instruction without an end");
      } else if (At("<!DOCTYPE")) {
        const size_t end = text_.find_first_of("[>", position_);
        if (end == absl::string_view::npos || text_[end] == '[') {
          return Error("a document type with declarations is not accepted");
        }
        position_ = end + 1;
      } else {
        return absl::OkStatus();
      }
    }
  }

  absl::Status Name(std::string* name) {
    const size_t begin = position_;
    if (position_ == text_.size() || !IsNameStart(text_[position_]))
      return Error("expected a name");
    while (position_ < text_.size() && IsName(text_[position_])) ++position_;
    *name = std::string(text_.substr(begin, position_ - begin));
    return absl::OkStatus();
  }

  // Up to and including ">" or "/>"; sets *empty for the latter.
  absl::Status Attributes(bool* empty) {
    for (;;) {
      SkipSpace();
      *empty = Skip("/>");
      if (*empty || Skip(">")) return absl::OkStatus();
      std::string name;
      if (absl::Status status = Name(&name); !status.ok()) return status;
      SkipSpace();
      if (!Skip("=")) return Error(absl::StrCat("attribute ", name, " has no value"));
      SkipSpace();
      const absl::string_view quote = At("'") ? "'" : "\"";
      if (!Skip(quote) || !SkipPast(quote)) {
        return Error(absl::StrCat("the value of attribute ", name, " is not in quotes"));
      }
    }
  }

  absl::Status Element(XmlElement* element, int depth) {
    if (depth > kMaxDepth) return Error("elements are nested too deep");
    if (++elements_ > kMaxElements) return Error("too many elements");
    if (!Skip("<")) return Error("expected an element");
    if (absl::Status status = Name(&element->name); !status.ok()) return status;
    bool empty = false;
    if (absl::Status status = Attributes(&empty); !status.ok()) return status;
    return empty ? absl::OkStatus() : Content(element, depth);
  }

  absl::Status Content(XmlElement* element, int depth) {
    for (;;) {
      if (position_ == text_.size()) {
        return Error(absl::StrCat("<", element->name, "> is not closed: the file is cut off"));
      }
      if (Skip("</")) {
        std::string name;
        if (absl::Status status = Name(&name); !status.ok()) return status;
        SkipSpace();
        if (name != element->name || !Skip(">")) {
          return Error(absl::StrCat("expected </", element->name, ">, found </", name));
        }
        element->text = std::string(absl::StripAsciiWhitespace(element->text));
        return absl::OkStatus();
      }
      absl::Status status;
      if (At("<!--") || At("<?")) {
        status = SkipMisc();
      } else if (Skip("<![CDATA[")) {
        const size_t begin = position_;
        if (!SkipPast("]]>")) return Error("a CDATA section without an end");
        absl::StrAppend(&element->text, text_.substr(begin, position_ - 3 - begin));
      } else if (At("<")) {
        element->children.emplace_back();
        status = Element(&element->children.back(), depth + 1);
      } else if (At("&")) {
        status = Reference(&element->text);
      } else {
        element->text.push_back(text_[position_++]);
      }
      if (!status.ok()) return status;
    }
  }

  absl::Status Reference(std::string* out) {
    const size_t end = text_.find(';', position_);
    if (end == absl::string_view::npos || end - position_ > 12) return Error("a stray \"&\"");
    const absl::string_view name = text_.substr(position_ + 1, end - position_ - 1);
    static constexpr std::pair<const char*, char> kEntities[] = {
        {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    for (const auto& [entity, character] : kEntities) {
      if (name == entity) {
        out->push_back(character);
        position_ = end + 1;
        return absl::OkStatus();
      }
    }
    uint32_t code = 0;
    const bool known = absl::StartsWith(name, "#x")
                           ? absl::SimpleHexAtoi(name.substr(2), &code)
                           : absl::StartsWith(name, "#") && absl::SimpleAtoi(name.substr(1), &code);
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    if (!known || code == 0 || code > 0x10FFFF || surrogate) {
      return Error(absl::StrCat("unknown reference &", name, ";"));
    }
    AppendUtf8(out, code);
    position_ = end + 1;
    return absl::OkStatus();
  }

  absl::string_view text_;
  size_t position_ = 0;
  int elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Child(absl::string_view child_name) const {
  for (const XmlElement& child : children) {
    if (child.name == child_name) return &child;
  }
  return nullptr;
}

absl::StatusOr<XmlElement> ParseXml(absl::string_view text) { return Parser(text).Document(); }

}  // namespace mgral::client
