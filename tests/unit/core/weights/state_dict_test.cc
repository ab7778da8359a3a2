#include "server/core/weights/state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/core/weights/pytorch_files.h"

namespace mgral::core {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT

TEST(StateDict, FlattensAndUnwraps) {
  const std::string weights = Dict({Text("a"), Dict({Text("b"), Weight(), Integer(7), Weight()})});
  ExpectWeight(Read(ZipFile(weights)), "a.b");
  ExpectWeight(Read(ZipFile(weights)), "a.7");
  for (const char* wrapper : {"state_dict", "model_state_dict", "model"}) {
    const std::string around =
        Dict({Text("epoch"), Integer(3), Text("note"), Text("x"), Text("lr"), "G" + Bytes(0.1),
              Text(wrapper), weights, Text("optimizer"), Dict({Text("state"), Weight()})});
    const NamedTensors tensors = Read(ZipFile(around));
    EXPECT_EQ(tensors.size(), 2) << wrapper;
    ExpectWeight(tensors, "a.b");
  }
  // A module may be called so, too.
  ExpectWeight(Read(ZipFile(Dict({Text("model"), weights, Text("w"), Weight()}))), "model.a.b");
}

TEST(StateDict, ReadsParametersMemosAndOldVersions) {
  const std::string parameter =
      Call(Global("torch._utils", "_rebuild_parameter"), {Weight(), "\x88", OrderedDict({})});
  ExpectWeight(Read(ZipFile(Dict({Text("w"), parameter}))), "w");
  const std::string old_tensor =
      Call(Global("torch._utils", "_rebuild_tensor"),
           {Tuple({"U\x07storage", Global("torch", "FloatStorage"),
                   "U\x01"
                   "0",
                   "U\x03"
                   "cpu",
                   "K\x06", "N"}) +
                "Q",
            "K" + std::string(1, '\0'), Integers({2, 3}), Integers({3, 1})});
  const std::string old_parameter =
      Call(Global("torch.nn.parameter", "Parameter"), {old_tensor}) + Tuple({"\x88", "\x89"}) + "b";
  const std::string pairs = List({"]U\x01wa" + old_parameter + "a"});
  ExpectWeight(Read(LegacyFile(Call(Global("collections", "OrderedDict"), {pairs}))), "w");
  // Protocol 4: a frame, short texts, memoized, globals from the stack.
  const std::string ordered_dict = std::string("\x95") + std::string(8, '\0') +
                                   "\x8c\x0b"
                                   "collections\x94\x8c\x0b"
                                   "OrderedDict\x94\x93";
  ExpectWeight(Read(ZipFile(ordered_dict + ")R\x8c\x01w\x94" + Weight() + "r\xff\xff\xff\xff" +
                            "s\x8c\x01vj\xff\xff\xff\xffs")),
               "v");
}

TEST(StateDict, RefusesPythonCodeByName) {
  const std::string system = Call(Global("os", "system"), {Text("touch /tmp/executed")});
  ExpectRefused(system, "holds Python code: os.system");
  ExpectRefused(Dict({Text("w"), Weight(), Text("x"), system}), "holds Python code: os.system");
  ExpectRefused(Call(Global("builtins", "eval"), {Text("1")}), "Python code: builtins.eval");
  ExpectRefused(Text("posix") + Text("system") + "\x93", "Python code: posix.system");
  ExpectRefused(Global("collections", "OrderedDict.fromkeys"), "OrderedDict.fromkeys");
  ExpectRefused(Global("my\x1b[31m", "Net"), "Python code: my?[31m.Net");
  ExpectRefused(Call(Global("torch", "FloatStorage"), {Integer(1 << 30)}), "no state dict");
  ExpectRefused(Dict({Text("w"), Call(Global("torch", "FloatStorage"), {})}), "damaged");
  for (const char* instruction : {"i", "o", "\x81", "\x92", "\x82", "P0\n", "d", "2", "I1\n"}) {
    ExpectRefused(Dict({}) + Tuple({}) + instruction, "instruction");
  }
}

struct BadView {
  std::string type;
  int64_t count, offset;
  std::vector<int64_t> shape, strides;
  std::string error;
};

TEST(StateDict, RefusesTensorsThatReachOutOfTheirStorage) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kTera = 1'000'000'000'000;
  const std::vector<BadView> views = {
      {"FloatStorage", 6, 1, {2, 3}, {3, 1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 0, {2, 3}, {4, 1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 0, {2, 3}, {kMax, 1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 0, {3}, {kMax / 2}, "\"w\" reaches out"},
      {"FloatStorage", 6, kMax, {2, 3}, {3, 1}, "\"w\" reaches out"},
      {"FloatStorage", 6, -1, {2, 3}, {3, 1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 5, {2}, {-1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 0, {2, 3}, {1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 7, {0}, {1}, "\"w\" reaches out"},
      {"FloatStorage", 6, 0, {-2}, {1}, "\"w\" has a negative size"},
      {"FloatStorage", 6, 0, {kTera}, {0}, "\"w\" takes the tensors beyond"},
      {"FloatStorage", 6, 0, {kTera, kTera, kTera}, {0, 0, 0}, "\"w\" takes the tensors beyond"},
      {"FloatStorage", 6, 0, {0, kMax}, {0, 0}, "\"w\" takes the tensors beyond"},
      {"FloatStorage", 6, 0, std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1),
       "9 dimensions"},
      {"FloatStorage", 7, 0, {2}, {1}, "storage \"0\""},
      {"FloatStorage", kTera, 0, {2}, {1}, "storage \"0\""},
      {"FloatStorage", kMax, 0, {2}, {1}, "storage \"0\""},
      {"FloatStorage", -6, 0, {2}, {1}, "damaged"},
      {"DoubleStorage", 6, 0, {2}, {1}, "storage \"0\""},
  };
  for (const BadView& view : views) {
    const std::string storage = Storage(view.type, "0", view.count);
    ExpectRefused(Dict({Text("w"), Tensor(storage, view.offset, view.shape, view.strides)}),
                  view.error);
  }
  ExpectRefused(
      Dict({Text("w"), Weight(), Text("v"), Tensor(Storage("IntStorage", "0", 6), 0, {6}, {1})}),
      "storage \"0\" in two ways");
  ExpectRefused(Dict({Text("w"), Tensor(Storage("FloatStorage", "../1", 6), 0, {6}, {1})}),
                "storage");
}

TEST(StateDict, RefusesDuplicateAndUnprintableNames) {
  ExpectRefused(Dict({Text("w"), Weight(), Text("w"), Weight()}), "\"w\" occurs twice");
  ExpectRefused(Dict({Text("a.b"), Weight(), Text("a"), Dict({Text("b"), Weight()})}),
                "\"a.b\" occurs twice");
  ExpectRefused(Dict({Text("\x07\xff"), Weight()}), "\"??\"");
  ExpectRefused(Dict({Text(std::string(2000, 'n')), Weight()}), "name");
  ExpectRefused(Dict({"N", Weight()}), "damaged");
}

TEST(StateDict, RefusesBombs) {
  // A dict that holds itself; dicts of which each holds the one before twice.
  ExpectRefused("}q\x01(" + Text("a") + "h\x01" + Text("w") + Weight() + "u", "nest too deep");
  std::string bomb = Dict({Text("w"), Dict({})});
  for (int i = 0; i < 15; ++i) {
    Strings twice;
    for (int k = 0; k < 4; ++k) twice.insert(twice.end(), {Text(std::to_string(k)), "h\x01"});
    bomb +=
        "q\x01"
        "0" +
        Dict(twice);
  }
  ExpectRefused(bomb, "too many values");
  std::string list = "](";
  for (int i = 0; i < 2000; ++i) list += "]" + Tuple({}) + "a" + Tuple({}) + "a";
  list += "eq\x01";
  std::string copies;
  for (int i = 0; i < 3000; ++i) copies += Global("collections", "OrderedDict") + "h\x01\x85R0";
  ExpectRefused(list + copies, "too many values");
  // A million lists, each in the next; wrappers around wrappers.
  ExpectRefused(std::string(500'000, ']') + std::string(499'999, 'a'), "no state dict");
  ExpectRefused(std::string(900'000, '('), "damaged");
  ExpectRefused(std::string(1'100'000, '('), "too many values");
  ExpectRefused(std::string(1'100'000, ')'), "too many values");
  std::string memo = Dict({});
  for (uint32_t key = 0; key < 1'000'001; ++key) memo += "r" + Bytes(key);
  ExpectRefused(memo, "too many values");
  std::string wrapped = Dict({Text("w"), Weight()});
  for (int i = 0; i < 40; ++i) wrapped = Dict({Text("model"), wrapped});
  ExpectRefused(wrapped, "damaged");
  std::string parameter = Weight();
  for (int i = 0; i < 40; ++i) {
    parameter = Call(Global("torch._utils", "_rebuild_parameter"), {parameter});
  }
  ExpectRefused(Dict({Text("w"), parameter}), "damaged");
}

}  // namespace
}  // namespace mgral::core
