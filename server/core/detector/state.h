#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

namespace mgral::core {

// All parameters and buffers by name; the tensors are the module's own, not copies.
std::map<std::string, at::Tensor> GetState(const torch::nn::Module& net);

// Copies `state` into the module. Throws std::runtime_error naming the first tensor that is
// missing, unknown or of another shape; the module is then unchanged.
void SetState(torch::nn::Module& net, const std::map<std::string, at::Tensor>& state);

}  // namespace mgral::core
