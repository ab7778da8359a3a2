#include "server/core/weights/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <system_error>

#include "server/core/weights/safetensors_header.h"
#include "tests/unit/core/weights/tensor_files.h"

namespace mgral::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using namespace testing_support;  // NOLINT

std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  return Bytes<uint64_t>(header.size()) + header + data;
}

std::string RefusalOfFile(const std::string& bytes, const TensorLimits& limits = kSmall) {
  const std::string path = WrittenTo("file.safetensors", bytes);
  const MemoryBound bound;
  const std::string error = ErrorOf([&] { ReadSafetensors(path, limits); });
  EXPECT_THAT(error, AnyOf(StartsWith("file.safetensors: "), "no error"));
  return error;
}

std::string RefusalOfHeader(const std::string& header, const std::string& data = "") {
  return RefusalOfFile(SafetensorsBytes(header, data));
}

Safetensors Everything() {
  Safetensors file;
  for (const ElementType& type : ElementTypes()) {
    file.tensors[std::string("layer.") + type.safetensors] =
        at::arange(6).remainder(2).view({2, 3}).to(type.type);
  }
  file.tensors["scalar"] = at::scalar_tensor(2.5, at::kDouble);
  file.tensors["empty"] = at::empty({0, 3});
  file.tensors["transposed"] = at::arange(6, at::kFloat).view({2, 3}).t();
  file.tensors["na\"me\\ \u00e4"] = at::ones({1}, at::kByte);
  file.metadata = {{"format", "pt"}, {"class \"1\"", "line\nline\t\x01 \u00fc"}};
  return file;
}

TEST(Safetensors, ReadsWhatItWrites) {
  const Safetensors written = Everything();
  const std::string path = testing::TempDir() + "/round_trip";
  WriteSafetensors(path, written);
  const Safetensors read = ReadSafetensors(path, kSmall);
  EXPECT_EQ(read.metadata, written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, tensor] : written.tensors) {
    const at::Tensor& other = read.tensors.at(name);
    EXPECT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(other.is_contiguous()) << name;
    EXPECT_TRUE(at::equal(other, tensor)) << name;
  }
  const std::string bytes = BytesOf(path);
  WriteSafetensors(path, read);
  EXPECT_EQ(BytesOf(path), bytes);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(Safetensors, WritesTheFormatToTheByte) {
  Safetensors file;
  file.tensors["b"] = at::full({2}, 1.0, at::kFloat);
  file.tensors["a"] = at::full({1}, 7, at::kByte);
  file.metadata["format"] = "pt";
  const std::string path = testing::TempDir() + "/to_the_byte";
  WriteSafetensors(path, file);
  std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(BytesOf(path), SafetensorsBytes(header, Bytes(1.0F) + Bytes(1.0F) + "\x07"));
}

TEST(Safetensors, ReadsJsonAsOthersWriteIt) {
  const SafetensorsHeader header = ParseSafetensorsHeader(
      " { \"\\u0061\\ud83d\\ude00\\/\" : { \"shape\" : [ ] , \"data_offsets\":[0,\t4],"
      "\"dtype\":\"F32\" } , \"__metadata__\" : { } } \n ");
  ASSERT_EQ(header.tensors.size(), 1);
  EXPECT_EQ(header.tensors.begin()->first, "a\xf0\x9f\x98\x80/");
  EXPECT_EQ(header.tensors.begin()->second.end, 4);
}

TEST(Safetensors, RefusesToWriteWhatTheFormatDoesNotHave) {
  const std::string path = testing::TempDir() + "/unwritable";
  const auto error = [&](const std::string& name, const at::Tensor& tensor) {
    return ErrorOf([&] { WriteSafetensors(path, {{{name, tensor}}, {}}); });
  };
  EXPECT_THAT(error("c", at::ones({1}, at::kComplexFloat)),
              AllOf(StartsWith("unwritable: "), HasSubstr("\"c\""), HasSubstr("Complex")));
  EXPECT_THAT(error("__metadata__", at::ones({1})), HasSubstr("cannot be called"));
  EXPECT_THAT(error("", at::ones({1})), HasSubstr("no name"));
  EXPECT_THAT(error("\xff", at::ones({1})), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf([&] { WriteSafetensors(path, {{}, {{"a", "\xc3"}}}); }), HasSubstr("UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(path));
  try {
    WriteSafetensors("/nowhere/secret/weights", Everything());
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), ENOENT);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("weights"), Not(HasSubstr("secret"))));
  }
}

TEST(Safetensors, RefusesWhatIsNoFile) {
  EXPECT_THAT(ErrorOf([] { ReadSafetensors("/nowhere/secret/weights", kSmall); }),
              AllOf(StartsWith("cannot read weights: No such file"), Not(HasSubstr("secret"))));
  EXPECT_THAT(ErrorOf([] { ReadSafetensors(testing::TempDir(), kSmall); }),
              HasSubstr("not a regular file"));
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const std::string path = testing::TempDir() + "/whole";
  WriteSafetensors(path, Everything());
  const std::string bytes = BytesOf(path);
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_NE(RefusalOfFile(bytes.substr(0, size)), "no error") << size;
  }
  EXPECT_THAT(RefusalOfFile(bytes + " "), HasSubstr("bytes follow"));
}

TEST(Safetensors, RefusesHeadersOfAbsurdLength) {
  for (const uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{100'000'000}}) {
    EXPECT_THAT(RefusalOfFile(Bytes(length) + "{}"), HasSubstr("not a safetensors file"));
  }
  EXPECT_THAT(RefusalOfFile(Bytes<uint64_t>(1000) + "{}"), HasSubstr("cut short"));
}

struct BadHeader {
  const char* header;
  const char* error;
};

class SafetensorsHeaders : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsHeaders, AreRefusedByName) {
  EXPECT_THAT(RefusalOfHeader(GetParam().header, "01234567"), HasSubstr(GetParam().error))
      << GetParam().header;
}

#define ONE(shape, offsets) \
  R"({"w":{"dtype":"F32","shape":)" shape R"(,"data_offsets":)" offsets "}}"

INSTANTIATE_TEST_SUITE_P(
    Bad, SafetensorsHeaders,
    testing::Values(
        BadHeader{"", "at byte 0"}, BadHeader{"[]", "at byte 0"}, BadHeader{"{", "at byte 1"},
        BadHeader{"{} x", "at byte 3"}, BadHeader{"{\"w\":{}}", "at byte 7"},
        BadHeader{ONE("[1]", "[0,8]"), "\"w\" needs 4 bytes"},
        BadHeader{ONE("[2]", "[8,0]"), "\"w\" needs 8 bytes"},
        BadHeader{ONE("[1]", "[0,4]"), "bytes follow"},
        BadHeader{ONE("[1]", "[4,8]"), "do not follow"},
        BadHeader{ONE("[4]", "[0,16]"), "cut short: tensor \"w\""},
        BadHeader{ONE("[1]", "[9223372036854775803,9223372036854775807]"), "do not follow"},
        BadHeader{ONE("[1000000000000]", "[0,8]"), "\"w\" takes the tensors beyond 1048576"},
        BadHeader{ONE("[4294967296,4294967296,4294967296]", "[0,8]"),
                  "\"w\" takes the tensors beyond"},
        BadHeader{ONE("[0,9223372036854775807]", "[0,0]"), "\"w\" takes the tensors beyond"},
        BadHeader{ONE("[1,1,1,1,1,1,1,1,2]", "[0,8]"), "9 dimensions"},
        BadHeader{ONE("[99999999999999999999]", "[0,8]"), "at byte"},
        BadHeader{ONE("[-2]", "[0,8]"), "at byte"}, BadHeader{ONE("[02]", "[0,8]"), "at byte"},
        BadHeader{ONE("[2.0]", "[0,8]"), "at byte"}, BadHeader{ONE("[2,]", "[0,8]"), "at byte"},
        BadHeader{ONE("[[[[[[2]]]]]]", "[0,8]"), "at byte"},
        BadHeader{ONE("2", "[0,8]"), "at byte"}, BadHeader{ONE("[2]", "[0,4,8]"), "at byte"},
        BadHeader{R"({"w":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", "F8_E4M3"},
        BadHeader{R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "at"},
        BadHeader{R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", "at byte"},
        BadHeader{R"({"w":{"dtype":"F32","shape":[2]}})", "at byte"},
        BadHeader{R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "no name"},
        BadHeader{R"({"\u0007":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "\"?\""},
        BadHeader{R"({"\ud800":{}})", "at byte"}, BadHeader{R"({"\x":{}})", "at byte"},
        BadHeader{"{\"\xff\":{}}", "not UTF-8"}, BadHeader{"{\"\xed\xa0\x80\":{}}", "not UTF-8"},
        BadHeader{R"({"__metadata__":{"a":1}})", "at byte"},
        BadHeader{R"({"__metadata__":{"a":"1","a":"2"}})", "\"a\" twice"},
        BadHeader{R"({"__metadata__":{},"__metadata__":{}})", "twice"}));

TEST(Safetensors, RefusesOverlapsAndDuplicateNames) {
  const std::string one = R"("dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(RefusalOfHeader(R"({"a":{)" + one + R"(,"b":{)" + one + "}", "0123"),
              HasSubstr("overlap"));
  EXPECT_THAT(RefusalOfHeader(R"({"a":{)" + one + R"(,"a":{)" + one + "}", "0123"),
              HasSubstr("\"a\" twice"));
}

TEST(Safetensors, KeepsTheLimits) {
  const std::string path = testing::TempDir() + "/limits";
  Safetensors file;
  for (const char* name : {"a", "b", "c"}) file.tensors[name] = at::zeros({100});
  WriteSafetensors(path, file);
  const std::string bytes = BytesOf(path);
  EXPECT_EQ(RefusalOfFile(bytes, {bytes.size(), 1200, 3, true}), "no error");
  EXPECT_THAT(RefusalOfFile(bytes, {bytes.size() - 1, 1200, 3, true}), HasSubstr("larger than"));
  EXPECT_THAT(RefusalOfFile(bytes, {bytes.size(), 1199, 3, true}),
              HasSubstr("\"c\" takes the tensors beyond"));
  EXPECT_THAT(RefusalOfFile(bytes, {bytes.size(), 1200, 2, true}),
              HasSubstr("more than 2 tensors"));
}

TEST(Safetensors, RefusesNanInfinityAndFalseBooleans) {
  const std::string path = testing::TempDir() + "/numbers";
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
      WriteSafetensors(path, {{{"w", at::tensor({0.5, value}).to(type)}}, {}});
      EXPECT_THAT(RefusalOfFile(BytesOf(path)), HasSubstr("\"w\" holds NaN")) << type;
      EXPECT_NO_THROW(ReadSafetensors(path, {1000, 1000, 1, false})) << type;
    }
  }
  const std::string header = R"({"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  EXPECT_THAT(RefusalOfHeader(header, "\x01\x02"), HasSubstr("\"w\" holds a boolean"));
}

TEST(Safetensors, MutatedFilesAreReadOrRefused) {
  const std::string path = testing::TempDir() + "/to_mutate";
  WriteSafetensors(path, Everything());
  ExpectMutationsAreReadOrRefused(
      BytesOf(path), 4000, [](const std::string& mutated) { ReadSafetensors(mutated, kSmall); });
}

}  // namespace
}  // namespace mgral::core
