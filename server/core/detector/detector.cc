#include "server/core/detector/detector.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <torch/cuda.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "server/core/detector/network.h"
#include "server/core/weights/safetensors.h"
#include "server/core/weights/weights_file.h"

namespace mgral::core {
namespace {

constexpr char kConfigText[] = "config";

Safetensors ReadWeights(const std::string& path) {
  if (IsSafetensors(path)) {
    TensorLimits limits;
    limits.refuse_non_finite = false;  // the file is ours: what was saved is read
    return ReadSafetensors(path, limits);
  }
  TensorFile file = ReadTensorFile(path);  // as earlier versions wrote it
  return {std::move(file.groups["weights"]), std::move(file.texts)};
}

}  // namespace

Detector::Detector(const DetectorConfig& config, uint64_t seed) : config_(config) {
  CheckConfig(config);
  net_ = MakeNetwork(config, seed);
}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

Detector Detector::Load(const std::string& path) {
  const Safetensors file = ReadWeights(path);
  const auto config = file.metadata.find(kConfigText);
  if (config == file.metadata.end()) {
    throw std::runtime_error(FileName(path) + " is not a mgral weights file: no config");
  }
  try {
    Detector detector(ParseDetectorConfig(config->second), 0);
    detector.net().SetState(file.tensors);
    return detector;
  } catch (const std::exception& e) {
    throw std::runtime_error(FileName(path) + ": " + e.what());
  }
}

Detector Detector::Load(const std::string& path, const DetectorConfig& expected) {
  Detector detector = Load(path);
  DetectorConfig with_its_norms = expected;
  with_its_norms.norm_epsilon = detector.config().norm_epsilon;
  const std::string have = ToString(detector.config()), want = ToString(with_its_norms);
  if (have != want) {
    throw std::runtime_error(FileName(path) + " holds a detector with \"" + have +
                             "\", not with \"" + want + "\"");
  }
  return detector;
}

void Detector::Save(const std::string& path) const {
  WriteSafetensors(path, {net_->State(), {{kConfigText, ToString(config_)}}});
}

Detector Detector::Clone() const {
  Detector copy(config_, 0);
  copy.MoveTo(device());
  copy.net().SetState(net_->State());
  return copy;
}

void Detector::MoveTo(c10::Device device) {
  if (device == this->device()) return;
  if (device.is_cuda()) {
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
  }
  net_->MoveTo(device);
}

c10::Device Detector::device() const { return net_->device(); }

int64_t Detector::NumParameters() const {
  int64_t count = 0;
  for (const auto& [name, p] : net_->Parameters()) count += p.numel();
  return count;
}

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
