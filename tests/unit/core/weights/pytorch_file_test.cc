#include "server/core/weights/pytorch_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/core/weights/pytorch_files.h"

namespace mgral::core {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT

TEST(PytorchFile, ReadsBothFormats) {
  const std::string value =
      OrderedDict({Text("w"), Weight()}) + Dict({Text("_metadata"), "N"}) + "b";
  for (const std::string& bytes : {ZipFile(value), LegacyFile(value)}) {
    const NamedTensors tensors = Read(bytes);
    EXPECT_EQ(tensors.size(), 1);
    ExpectWeight(tensors, "w");
  }
}

TEST(PytorchFile, ReadsWhatLibTorchWrites) {
  TensorFile file;
  file.texts["config"] = "depth=18";
  for (const ElementType& type : ElementTypes()) {
    file.groups["weights"][type.safetensors] =
        at::arange(6).remainder(2).view({2, 3}).to(type.type);
  }
  file.groups["weights"]["scalar"] = at::scalar_tensor(3, at::kLong);
  file.groups["weights"]["empty"] = at::empty({0, 3});
  const std::string path = testing::TempDir() + "/libtorch.pth";
  WriteTensorFile(path, file);
  const NamedTensors tensors = ReadPytorchFile(path, kSmall);
  ASSERT_EQ(tensors.size(), file.groups["weights"].size());
  for (const auto& [name, tensor] : file.groups["weights"]) {
    const at::Tensor& read = tensors.at("weights." + name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
  }
}

TEST(PytorchFile, ReadsViewsOfStorages) {
  const std::string storage = Storage("FloatStorage", "0", 6);
  const NamedTensors tensors = Read(ZipFile(Dict(
      {Text("transposed"), Tensor(storage, 0, {3, 2}, {1, 3}), Text("row"),
       Tensor(storage, 3, {3}, {1}), Text("repeated"), Tensor(storage, 5, {4}, {0}), Text("scalar"),
       Tensor(storage, 5, {}, {}), Text("none"), Tensor(storage, 6, {0, 9}, {9, 1})})));
  const at::Tensor all = at::arange(6, at::kFloat).view({2, 3});
  EXPECT_TRUE(at::equal(tensors.at("transposed"), all.t()));
  EXPECT_TRUE(at::equal(tensors.at("row"), all[1]));
  EXPECT_TRUE(at::equal(tensors.at("repeated"), at::full({4}, 5.0F)));
  EXPECT_EQ(tensors.at("scalar").item<float>(), 5);
  EXPECT_EQ(tensors.at("none").sizes(), at::IntArrayRef({0, 9}));
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(tensor.is_contiguous()) << name;
  tensors.at("row").zero_();  // nobody else's memory
  EXPECT_TRUE(at::equal(tensors.at("transposed"), all.t()));
}

TEST(PytorchFile, RefusesFilesCutAnywhere) {
  for (const std::string& bytes :
       {ZipFile(Dict({Text("w"), Weight()})), LegacyFile(Dict({Text("w"), Weight()}))}) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_NE(Refusal(bytes.substr(0, size)), "no error") << size;
    }
  }
  EXPECT_THAT(Refusal(LegacyFile(Dict({Text("w"), Weight()})) + "x"), HasSubstr("bytes follow"));
}

TEST(PytorchFile, RefusesOtherFiles) {
  EXPECT_THAT(Refusal(""), HasSubstr("not a PyTorch file"));
  EXPECT_THAT(Refusal("GIF89a"), HasSubstr("not a PyTorch file"));
  EXPECT_THAT(Refusal(Whole(Integer(5))), HasSubstr("not a PyTorch file"));
  EXPECT_THAT(Refusal(Zip({{"a/b", "c"}})), HasSubstr("without data.pkl"));
  EXPECT_THAT(Refusal(Zip({{"a/data.pkl", "c"}, {"b/data.pkl", "c"}})), HasSubstr("two pickles"));
  EXPECT_THAT(Refusal(Zip({{"a/data.pkl", Whole(Dict({}))}, {"a/byteorder", "big"}})),
              HasSubstr("little-endian"));
  EXPECT_THAT(
      Refusal(Whole(kMagic) + Whole(Integer(1001)) + Whole(Dict({Text("little_endian"), "\x89"}))),
      HasSubstr("little-endian"));
  EXPECT_THAT(Refusal(Whole(kMagic) + Whole(Integer(1002))), HasSubstr("unknown version"));
  ExpectRefused(Dict({}), "no tensors");
  ExpectRefused(Integer(3), "no state dict");
  ExpectRefused(Weight(), "no state dict");
}

TEST(PytorchFile, RefusesStoragesThatThePickleDoesNotKnow) {
  const std::string value = Dict({Text("w"), Weight()});
  const std::string six = Bytes<int64_t>(6) + SixFloats();
  EXPECT_THAT(Refusal(LegacyFile(value, {"1"}, six)), HasSubstr("storage \"1\" is of an unknown"));
  EXPECT_THAT(Refusal(LegacyFile(value, {}, "")), HasSubstr("lacks storage \"0\""));
  EXPECT_THAT(Refusal(LegacyFile(value, {"0", "0"}, six + six)), HasSubstr("not what the pickle"));
  EXPECT_THAT(Refusal(LegacyFile(value, {"0"}, Bytes<int64_t>(-1) + SixFloats())),
              HasSubstr("not what the pickle"));
  EXPECT_THAT(Refusal(Zip({{"m/data.pkl", Whole(value)}})), HasSubstr("lacks storage \"0\""));
}

TEST(PytorchFile, KeepsTheLimits) {
  const std::string bytes = ZipFile(Dict({Text("a"), Weight(), Text("b"), Weight()}));
  EXPECT_EQ(Refusal(bytes, {bytes.size(), 48, 2, true}), "no error");
  EXPECT_THAT(Refusal(bytes, {bytes.size() - 1, 48, 2, true}), HasSubstr("larger than"));
  EXPECT_THAT(Refusal(bytes, {bytes.size(), 47, 2, true}),
              HasSubstr("\"b\" takes the tensors beyond"));
  EXPECT_THAT(Refusal(bytes, {bytes.size(), 48, 1, true}), HasSubstr("more than 1 tensors"));
}

TEST(PytorchFile, RefusesNanInfinityAndFalseBooleans) {
  const std::string value = Dict({Text("w"), Weight()});
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::string bytes = ZipFile(value, Floats({0, 1, 2, 3, 4, wrong}));
    EXPECT_THAT(Refusal(bytes), HasSubstr("\"w\" holds NaN"));
    EXPECT_NO_THROW(Read(bytes, {1000, 1000, 1, false}));
  }
  const std::string booleans =
      Dict({Text("w"), Tensor(Storage("BoolStorage", "0", 2), 0, {2}, {1})});
  EXPECT_THAT(Refusal(ZipFile(booleans, "\x01\x03")), HasSubstr("0\" holds a boolean"));
}

TEST(PytorchFile, MutatedFilesAreReadOrRefused) {
  const std::string value = OrderedDict(
      {Text("w"), Weight(), Text("v"), Tensor(Storage("FloatStorage", "0", 6), 1, {2}, {2})});
  const auto read = [](const std::string& path) { ReadPytorchFile(path, kSmall); };
  ExpectMutationsAreReadOrRefused(ZipFile(value), 4000, read);
  ExpectMutationsAreReadOrRefused(LegacyFile(value), 4000, read);
}

}  // namespace
}  // namespace mgral::core
