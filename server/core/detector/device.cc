#include "server/core/detector/device.h"

#include <torch/cuda.h>

#include <algorithm>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr size_t kMaxDigits = 2;  // of an index: fits c10::DeviceIndex

bool IsIndex(const std::string& text) {
  return !text.empty() && text.size() <= kMaxDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

c10::Device DeviceNamed(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  const std::string prefix = "cuda:";
  const bool indexed =
      name.compare(0, prefix.size(), prefix) == 0 && IsIndex(name.substr(prefix.size()));
  if (name != "auto" && name != "cuda" && !indexed) {
    throw std::invalid_argument("device \"" + name + "\" must be cpu, cuda, cuda:N or auto");
  }
  const bool available = torch::cuda::is_available();
  if (name == "auto" && !available) return c10::Device(c10::kCPU);
  if (!available) {
    throw std::invalid_argument("device is " + name +
                                ", but LibTorch finds no GPU: it is built without CUDA, or there "
                                "is no GPU or no driver that fits");
  }
  const int index = indexed ? std::stoi(name.substr(prefix.size())) : 0;
  const int count = static_cast<int>(torch::cuda::device_count());
  if (index >= count) {
    throw std::invalid_argument("device is " + name + ", but LibTorch finds " +
                                std::to_string(count) + " GPUs, numbered from 0");
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace mgral::core
