#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/core/weights/pickle.h"
#include "server/core/weights/tensor_input.h"

namespace mgral::core {

// What a PyTorch state dict says about its tensors; their elements lie elsewhere in the file.
struct StateDict {
  struct Storage {
    at::ScalarType type = at::kFloat;
    int64_t count = 0;
  };
  // Within its storage, as was checked.
  struct View {
    std::string storage;
    int64_t offset = 0;
    std::vector<int64_t> shape, strides;
  };
  std::map<std::string, Storage> storages;  // by key; those of no tensor, too
  std::map<std::string, View> tensors;
};

// Of the outermost dict, or of the one that it wraps as "state_dict", "model_state_dict", or
// "model". Dicts in it are flattened with dots between the names; what is neither a tensor nor a
// dict is passed over. Throws std::invalid_argument.
StateDict ReadStateDict(const Pickle& pickle, const TensorLimits& limits);

}  // namespace mgral::core
