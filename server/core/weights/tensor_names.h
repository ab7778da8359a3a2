#pragma once

#include <map>
#include <string>
#include <string_view>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {

bool StartsWith(std::string_view text, std::string_view prefix);
bool EndsWith(std::string_view text, std::string_view suffix);

// "num_batches_tracked" of batch norms, which nothing is computed from.
bool IsBatchCounter(std::string_view name);

// What the names of a network's trunk begin with, among torchvision's.
std::string TrunkPrefix(const NamedTensors& network);

// What the names of a tensor's part of the network begin with: the trunk, or two modules' names.
std::string PartOf(const std::string& name, const std::string& trunk_prefix);

// The file's names by those that the network has for them, or would have.
std::map<std::string, std::string> NamesInNetwork(const NamedTensors& network,
                                                  const NamedTensors& file);

}  // namespace mgral::core
