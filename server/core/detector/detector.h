#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/core/detector/config.h"

namespace mgral::core {

class Network;

// A network with its configuration. Moves, and is copied by Clone only. Const functions of other
// headers that take a const Detector& (Predict, Embed, ...) may run in several threads at once on
// one detector; training needs it alone.
//
// A detector is made and loaded on the CPU; after MoveTo everything that takes it computes on that
// device. What callers give and get stays on the CPU: images, labels, detections, embeddings,
// files.
class Detector {
 public:
  // Random weights, the same for the same seed. Throws std::invalid_argument.
  Detector(const DetectorConfig& config, uint64_t seed);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  // Reads what Save wrote, in earlier versions, too. Throws std::runtime_error that names
  // the path and says what is wrong: unreadable, not a mgral weights file, or a tensor missing or
  // of the wrong shape. With `expected`, also if the file's configuration differs in
  // anything but norm_epsilon, which goes with the weights, naming both.
  static Detector Load(const std::string& path);
  static Detector Load(const std::string& path, const DetectorConfig& expected);

  // Writes `path` through a temporary file beside it: safetensors, with the configuration as the
  // text "config". Throws as WriteSafetensors.
  void Save(const std::string& path) const;

  // Its device, where the copy is too.
  Detector Clone() const;

  // Not while something uses it. Throws c10::Error if the device is not there or is full.
  void MoveTo(c10::Device device);
  c10::Device device() const;

  const DetectorConfig& config() const { return config_; }
  int64_t NumParameters() const;
  Network& net() const { return *net_; }

 private:
  DetectorConfig config_;
  std::unique_ptr<Network> net_;
};

// The device of that name: "cpu", "cuda" (the first GPU), "cuda:N" (from 0), or "auto": cuda if
// there is one, else cpu. Throws std::invalid_argument for another name, and for a GPU that this
// LibTorch or this machine does not have.
c10::Device DeviceNamed(const std::string& name);

}  // namespace mgral::core
