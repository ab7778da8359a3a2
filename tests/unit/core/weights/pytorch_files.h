#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/weights/pytorch_file.h"
#include "tests/unit/core/weights/tensor_files.h"

// State dicts as torch.save writes them, in memory, and what the reader makes of them.
namespace mgral::core::testing_support {

// In the words of pickle's protocol 2.
namespace pickle {

inline std::string Text(const std::string& text) {
  return "X" + Bytes<uint32_t>(static_cast<uint32_t>(text.size())) + text;
}
inline std::string Integer(int64_t number) { return std::string("\x8a\x08") + Bytes(number); }
inline std::string Tuple(const Strings& items) { return "(" + Joined(items) + "t"; }
inline std::string Integers(const std::vector<int64_t>& numbers) {
  Strings items;
  for (const int64_t number : numbers) items.push_back(Integer(number));
  return Tuple(items);
}
inline std::string Global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string Call(const std::string& global, const Strings& arguments) {
  return global + Tuple(arguments) + "R";
}
// Keys and values by turns.
inline std::string Dict(const Strings& items) { return "}(" + Joined(items) + "u"; }
inline std::string OrderedDict(const Strings& items) {
  return Global("collections", "OrderedDict") + ")R(" + Joined(items) + "u";
}
inline std::string List(const Strings& items) { return "](" + Joined(items) + "e"; }
inline std::string Storage(const std::string& type, const std::string& key, int64_t count) {
  return Tuple({Text("storage"), Global("torch", type), Text(key), Text("cpu"), Integer(count)}) +
         "Q";
}
inline std::string Tensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  return Call(
      Global("torch._utils", "_rebuild_tensor_v2"),
      {storage, Integer(offset), Integers(shape), Integers(strides), "\x89", OrderedDict({})});
}
inline std::string Whole(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace pickle

using namespace pickle;

inline std::string Floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += Bytes(value);
  return bytes;
}

inline const std::string& SixFloats() {
  static const auto* bytes = new std::string(Floats({0, 1, 2, 3, 4, 5}));
  return *bytes;
}

// A tensor of 2 x 3, storage "0".
inline std::string Weight() { return Tensor(Storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}); }

inline std::string ZipFile(const std::string& value, const std::string& storage = SixFloats()) {
  return Zip({{"m/data.pkl", Whole(value)}, {"m/byteorder", "little"}, {"m/data/0", storage}});
}

inline constexpr char kMagic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

inline std::string LegacyFile(const std::string& value, const Strings& keys = {"0"},
                              const std::string& storages = Bytes<int64_t>(6) + SixFloats()) {
  Strings texts;
  for (const std::string& key : keys) texts.push_back(Text(key));
  return Whole(kMagic) + Whole(Integer(1001)) + Whole(Dict({Text("little_endian"), "\x88"})) +
         Whole(value) + Whole(List(texts)) + storages;
}

inline NamedTensors Read(const std::string& bytes, const TensorLimits& limits = kSmall) {
  const std::string path = WrittenTo("file.pth", bytes);
  const MemoryBound bound;
  return ReadPytorchFile(path, limits);
}

inline std::string Refusal(const std::string& bytes, const TensorLimits& limits = kSmall) {
  const std::string error = ErrorOf([&] { Read(bytes, limits); });
  EXPECT_THAT(error, testing::AnyOf(testing::StartsWith("file.pth: "), "no error"));
  return error;
}

// In both formats.
inline void ExpectRefused(const std::string& value, const std::string& why) {
  EXPECT_THAT(Refusal(ZipFile(value)), testing::HasSubstr(why));
  EXPECT_THAT(Refusal(LegacyFile(value)), testing::HasSubstr(why));
}

inline void ExpectWeight(const NamedTensors& tensors, const std::string& name) {
  ASSERT_EQ(tensors.count(name), 1) << name;
  EXPECT_TRUE(at::equal(tensors.at(name), at::arange(6, at::kFloat).view({2, 3})));
}

}  // namespace mgral::core::testing_support
