#include "server/core/selector/policy.h"

#include <cmath>
#include <stdexcept>

#include "server/core/bytes.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr uint32_t kMagic = 0x50524c4d;  // "MLRP"
constexpr uint32_t kVersion = 2;
constexpr int64_t kMostClasses = int64_t{1} << 20;
// Best cell against one worth half as much: 20 to 1.
constexpr float kInitialBeta = 6.0f;

}  // namespace

int64_t StepInputs(int64_t classes) { return kProjected + kCellInputs + classes + 2; }

std::vector<TensorPlace> PolicyLayout(int64_t classes) {
  std::vector<TensorPlace> out = {{4 * kHidden, StepInputs(classes), 0},
                                  {4 * kHidden, kHidden, 0},
                                  {4 * kHidden, 1, 0},
                                  {kKey, kHidden, 0},
                                  {kKey, kCellStatic, 0},
                                  {kCellHidden, kCellInputs, 0},
                                  {kCellHidden, kHidden, 0},
                                  {kCellHidden, 1, 0},
                                  {kCellHidden, 1, 0},
                                  {1, 1, 0},
                                  {kProjected, kHidden, 0},
                                  {1, 1, 0}};
  int64_t offset = 0;
  for (TensorPlace& place : out) {
    place.offset = offset;
    offset += place.rows * place.cols;
  }
  return out;
}

int64_t PolicySize(int64_t classes) {
  const TensorPlace last = PolicyLayout(classes).back();
  return last.offset + last.rows * last.cols;
}

PolicyParameters InitialPolicy(int64_t classes, uint64_t seed) {
  if (classes <= 0 || classes > kMostClasses) {
    throw std::invalid_argument("classes: out of range");
  }
  PolicyParameters out;
  out.classes = classes;
  RandomStream random(seed);
  const std::vector<TensorPlace> layout = PolicyLayout(classes);
  for (int t = 0; t < kPolicyTensors; ++t) {
    const TensorPlace& place = layout[t];
    double sd = 1 / std::sqrt(static_cast<double>(place.cols));
    if (t == kGateBias || t == kCellBias) sd = 0;
    if (t == kCellOut || t == kQueryWeight || t == kImageWeight) sd *= 0.1;
    for (int64_t i = 0; i < place.rows * place.cols; ++i) {
      out.values.push_back(static_cast<float>(sd * random.Normal()));
    }
  }
  for (int64_t i = kHidden; i < 2 * kHidden; ++i) {
    out.values[layout[kGateBias].offset + i] = 1;  // remember at first
  }
  out.values[layout[kCellBeta].offset] = kInitialBeta;
  out.values[layout[kImageBeta].offset] = kInitialBeta;
  return out;
}

std::string PolicyParameters::Serialize() const {
  ByteWriter out;
  out.Put(kMagic);
  out.Put(kVersion);
  out.Put(classes);
  out.Put(updates);
  out.PutArray(values);
  return out.Take();
}

PolicyParameters PolicyParameters::Parse(const std::string& bytes) {
  ByteReader in(bytes);
  if (in.Get<uint32_t>() != kMagic) throw std::invalid_argument("bytes: not a selector");
  if (in.Get<uint32_t>() != kVersion) {
    throw std::invalid_argument("bytes: a version of the selector not known here");
  }
  PolicyParameters out;
  out.classes = in.Get<int64_t>();
  out.updates = in.Get<int64_t>();
  out.values = in.GetArray<float>();
  in.End();
  if (out.classes < 0 || out.classes > kMostClasses || out.updates < 0) {
    throw std::invalid_argument("bytes: a number is out of range");
  }
  const int64_t wanted = out.classes == 0 ? 0 : PolicySize(out.classes);
  if (static_cast<int64_t>(out.values.size()) != wanted) {
    throw std::invalid_argument("bytes: a wrong number of parameters");
  }
  for (float value : out.values) {
    if (!std::isfinite(value)) throw std::invalid_argument("bytes: a parameter is not finite");
  }
  return out;
}

}  // namespace mgral::core
