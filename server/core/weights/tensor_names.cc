#include "server/core/weights/tensor_names.h"

#include <cstdlib>
#include <utility>
#include <vector>

namespace mgral::core {
namespace {

// What a file's names lose at the beginning, and what they get instead.
struct Prefixes {
  std::string wrapper;  // of wrappers, lost where it is there
  std::string from, to;
};

const std::vector<Prefixes>& AllPrefixes() {
  static const auto* all = [] {
    auto* list = new std::vector<Prefixes>();
    const std::pair<const char*, const char*> trunks[] = {
        {"", ""}, {"", "backbone.body."}, {"features.", "backbone.body."}, {"", "backbone."}};
    for (const auto& [from, to] : trunks) {
      for (const char* wrapper : {"", "module.", "model.", "model.module.", "state_dict."}) {
        list->push_back({wrapper, from, to});
      }
    }
    return list;
  }();
  return *all;
}

// torchvision before 0.13 called the convolutions of pyramids and heads otherwise:
// "inner_blocks.0.weight" was to become "inner_blocks.0.0.weight", "conv.2.weight" of a head
// "conv.1.0.weight", for the activation between counted too, and "rpn.head.conv.weight"
// "rpn.head.conv.0.0.weight". The new name if the network has it.
std::string Renamed(const std::string& name, const NamedTensors& network) {
  if (network.count(name) > 0) return name;
  const size_t leaf = name.rfind('.');
  if (leaf == std::string::npos || leaf == 0) return name;
  const std::string module = name.substr(0, leaf), last = name.substr(leaf);
  const size_t index_dot = module.rfind('.');
  const std::string index = index_dot == std::string::npos ? "" : module.substr(index_dot + 1);
  std::vector<std::string> candidates = {module + ".0" + last, module + ".0.0" + last};
  if (index_dot != std::string::npos && EndsWith(module.substr(0, index_dot), ".conv") &&
      !index.empty() && index.size() < 4 &&
      index.find_first_not_of("0123456789") == std::string::npos) {
    const int number = std::atoi(index.c_str());
    if (number % 2 != 0) return name;
    candidates = {module.substr(0, index_dot + 1) + std::to_string(number / 2) + ".0" + last};
  }
  for (const std::string& candidate : candidates) {
    if (network.count(candidate) > 0) return candidate;
  }
  return name;
}

std::string Translated(const std::string& name, const Prefixes& prefixes,
                       const NamedTensors& network) {
  std::string rest =
      StartsWith(name, prefixes.wrapper) ? name.substr(prefixes.wrapper.size()) : name;
  if (!StartsWith(rest, prefixes.from)) return rest;
  rest = prefixes.to + rest.substr(prefixes.from.size());
  return Renamed(rest, network);
}

}  // namespace

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool IsBatchCounter(std::string_view name) { return EndsWith(name, "num_batches_tracked"); }

std::string TrunkPrefix(const NamedTensors& network) {
  for (const std::string prefix : {"backbone.body.", "backbone.features.", "backbone."}) {
    const auto first = network.lower_bound(prefix);
    if (first != network.end() && StartsWith(first->first, prefix)) return prefix;
  }
  return "";
}

std::string PartOf(const std::string& name, const std::string& trunk_prefix) {
  if (StartsWith(name, trunk_prefix)) return trunk_prefix;
  const size_t first = name.find('.');
  const size_t second = first == std::string::npos ? first : name.find('.', first + 1);
  return second == std::string::npos ? name : name.substr(0, second + 1);
}

std::map<std::string, std::string> NamesInNetwork(const NamedTensors& network,
                                                  const NamedTensors& file) {
  std::map<std::string, std::string> best;
  int64_t most = -1;
  for (const Prefixes& prefixes : AllPrefixes()) {
    std::map<std::string, std::string> names;
    int64_t known = 0;
    for (const auto& [name, tensor] : file) {
      const std::string translated = Translated(name, prefixes, network);
      if (names.emplace(translated, name).second) known += network.count(translated);
    }
    if (known <= most) continue;
    most = known;
    best = std::move(names);
  }
  return best;
}

}  // namespace mgral::core
