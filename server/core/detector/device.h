#pragma once

#include <c10/core/Device.h>

#include <string>

namespace mgral::core {

// The device of that name: "cpu", "cuda" (the first GPU), "cuda:N" (from 0), or "auto": cuda if
// there is one, else cpu. Throws std::invalid_argument for another name, and for a GPU that this
// LibTorch or this machine does not have.
c10::Device DeviceNamed(const std::string& name);

}  // namespace mgral::core
