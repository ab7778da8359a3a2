// Other people's weights, through the runtime.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "server/base/errors.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/network.h"
#include "server/core/detector/profile.h"
#include "server/core/weights/safetensors.h"
#include "server/core/weights/tensor_names.h"
#include "server/runtime/torch_runtime.h"
#include "tests/unit/core/detector/made_efficientnet.h"
#include "tests/unit/core/weights/pytorch_files.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

namespace fs = std::filesystem;
namespace files = core::testing_support;
using core::NamedTensors;
using testing::HasSubstr;
using ImportReport = domain::DetectorRuntime::ImportReport;

class ImportTest : public testing::Test {
 protected:
  ImportTest() {
    char name[] = "/tmp/mgral_import_XXXXXX";
    folder_ = mkdtemp(name);
    request_.detector.profile = "micro";
    request_.num_classes = 3;
    request_.seed = 5;
    request_.path = folder_ + "/file";
    request_.weights_path = folder_ + "/weights.safetensors";
  }
  ~ImportTest() override { fs::remove_all(folder_); }

  static core::DetectorConfig Micro(int classes) { return core::MicroProfile(classes).detector; }
  static NamedTensors StateOf(const core::DetectorConfig& config, uint64_t seed) {
    return core::Detector(config, seed).net().State();
  }

  absl::StatusOr<ImportReport> Import(const NamedTensors& state) {
    core::WriteSafetensors(request_.path, {state, {}});
    return runtime_->Import(request_);
  }
  // Why the file is refused; nothing must have been written.
  std::string Refusal(const std::string& bytes) {
    std::ofstream(request_.path, std::ios::binary) << bytes;
    return RefusalBy(runtime_->Import(request_));
  }
  std::string Refusal(const NamedTensors& state) { return RefusalBy(Import(state)); }
  std::string RefusalBy(const absl::StatusOr<ImportReport>& result) {
    EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
    EXPECT_FALSE(fs::exists(request_.weights_path));
    const auto violations = base::FieldViolations(result.status());
    return violations.size() == 1 ? violations[0].field + " " + violations[0].description : "";
  }
  void ExpectWritten(const NamedTensors& expected) {
    const auto state = core::Detector::Load(request_.weights_path, Micro(3)).net().State();
    ASSERT_EQ(state.size(), expected.size());
    for (const auto& [name, tensor] : expected) EXPECT_TRUE(at::equal(state.at(name), tensor));
  }

  std::string folder_;
  test::FakeLoader loader_;
  std::unique_ptr<TorchRuntime> runtime_ =
      std::make_unique<TorchRuntime>(RuntimeOptions{1, 0}, &loader_);
  domain::DetectorRuntime::ImportRequest request_;
};

TEST_F(ImportTest, AWholeDetectorBecomesWeights) {
  const NamedTensors state = StateOf(Micro(3), 9);
  const auto report = Import(state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->left.empty());
  EXPECT_TRUE(report->unused.empty());
  EXPECT_EQ(report->taken, static_cast<int64_t>(state.size()));
  EXPECT_EQ(report->file_classes, 3);
  EXPECT_TRUE(report->classes_taken);
  EXPECT_EQ(report->parameters, core::Detector(Micro(3), 1).NumParameters());
  ExpectWritten(state);
}

TEST_F(ImportTest, WhatTheFileLacksIsWhereATrainingBegins) {
  NamedTensors trunk, expected = StateOf(Micro(3), request_.seed);
  const std::string body = "backbone.body.";
  for (const auto& [name, tensor] : StateOf(Micro(80), 9)) {
    if (name.rfind(body, 0) != 0) continue;
    trunk[name.substr(body.size())] = tensor;
    expected[name] = tensor;
  }
  trunk["fc.weight"] = at::zeros({1000, 128});
  const auto report = Import(trunk);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->unused, testing::ElementsAre("fc.weight"));
  EXPECT_FALSE(report->classes_taken);
  ExpectWritten(expected);
}

TEST_F(ImportTest, ClassesOfAnotherNumberAreRecognized) {
  const auto report = Import(StateOf(Micro(91), 9));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->file_classes, 91);
  EXPECT_EQ(report->left.size(), 2u);
  fs::remove(request_.weights_path);
  request_.class_labels = {17, 18, 91};
  EXPECT_EQ(Refusal(StateOf(Micro(91), 9)), "class_labels the file's labels are 0 to 90, not 91");
}

TEST_F(ImportTest, AFileOfPytorchIsRead) {
  using namespace core::testing_support;  // NOLINT
  EXPECT_THAT(Refusal(ZipFile(Dict({Text("encoder"), Weight()}))),
              HasSubstr("no tensor of the file"));
  EXPECT_THAT(Refusal(LegacyFile(Dict({Text("encoder"), Weight()}))),
              HasSubstr("no tensor of the file"));
}

TEST_F(ImportTest, DamagedAndHostileFilesAreRefusedByName) {
  using namespace core::testing_support;  // NOLINT
  EXPECT_EQ(Refusal(""), "data is empty");
  EXPECT_EQ(Refusal("hello"), "data not a PyTorch file");
  const std::string code = Call(Global("os", "system"), {Text("touch /tmp/x")});
  EXPECT_EQ(Refusal(ZipFile(code)), "data holds Python code: os.system; only tensors are read");
  EXPECT_THAT(Refusal(LegacyFile(code)), HasSubstr("holds Python code: os.system"));
  const std::string zip = ZipFile(Dict({Text("encoder"), Weight()}));
  EXPECT_THAT(Refusal(zip.substr(0, zip.size() / 2)), HasSubstr("data cut short"));
  core::WriteSafetensors(request_.path, {StateOf(Micro(3), 9), {}});
  const std::string whole = files::BytesOf(request_.path);
  EXPECT_THAT(Refusal(whole.substr(0, whole.size() / 2)), HasSubstr("data cut short"));
  EXPECT_THAT(Refusal(whole.substr(0, 20)), HasSubstr("data cut short"));
  EXPECT_THAT(Refusal(whole + "x"), HasSubstr("bytes follow the last tensor"));
}

TEST_F(ImportTest, FilesThatAnnounceMoreThanTheyHoldAreRefused) {
  using namespace core::testing_support;  // NOLINT
  const MemoryBound bound;
  const std::string value = Whole(Dict({Text("a"), Weight()}));
  EXPECT_THAT(Refusal(Zip({{"m/data.pkl", value}, {"m/data/0", SixFloats(), 8}})),
              HasSubstr("\"m/data/0\" is compressed"));
  EXPECT_THAT(Refusal(Zip({{"m/data.pkl", value}, {"m/data/0", SixFloats(), 0, 0, 1LL << 31}})),
              HasSubstr("lies outside the archive"));
  // One element that is said to be a billion.
  const std::string repeated =
      Tensor(Storage("FloatStorage", "0", 6), 0, {1 << 15, 1 << 15}, {0, 0});
  EXPECT_THAT(Refusal(ZipFile(Dict({Text("a"), repeated}))), HasSubstr("takes the tensors beyond"));
  std::string header;
  for (int i = 0; i < 20001; ++i) {
    header += (header.empty() ? "{\"t" : ",\"t") + std::to_string(i) +
              "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  }
  EXPECT_THAT(Refusal(Bytes<uint64_t>(header.size() + 1) + header + "}"),
              HasSubstr("more than 20000 tensors"));
  // What ten million of them would take.
  EXPECT_THAT(Refusal(Bytes<uint64_t>(600'000'000) + header + "}"), HasSubstr("data not a"));
}

TEST_F(ImportTest, TensorsThatNoNetworkCanHaveAreRefused) {
  using namespace core::testing_support;  // NOLINT
  NamedTensors state = StateOf(Micro(3), 9);
  const std::string conv = "backbone.body.conv1.weight";
  const at::Tensor good = state.at(conv).clone();
  state[conv] = good * NAN;
  EXPECT_EQ(Refusal(state), "data tensor \"" + conv + "\" holds NaN or infinity");
  state[conv] = good * INFINITY;
  EXPECT_EQ(Refusal(state), "data tensor \"" + conv + "\" holds NaN or infinity");
  state[conv] = good.to(at::kInt);
  EXPECT_THAT(Refusal(state), HasSubstr("floating-point numbers are needed"));
  state[conv] = at::zeros({64, 3, 7, 7});
  EXPECT_EQ(Refusal(state), "data tensor \"" + conv +
                                "\" is [64, 3, 7, 7] in the file and [16, 3, 7, 7] in the network: "
                                "another architecture");
  EXPECT_THAT(Refusal(StateOf(core::MakeProfile("small", 3).detector, 1)),
              HasSubstr("another architecture"));
  const std::string overlap =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}";
  EXPECT_THAT(Refusal(Bytes<uint64_t>(overlap.size()) + overlap + std::string(12, '\0')),
              HasSubstr("tensor \"b\" overlap"));
  const std::string outside = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  EXPECT_THAT(Refusal(Bytes<uint64_t>(outside.size()) + outside + std::string(4, '\0')),
              HasSubstr("cut short: tensor \"a\""));
  const std::string control =
      "{\"a\\u0007b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  EXPECT_THAT(Refusal(Bytes<uint64_t>(control.size()) + control + std::string(4, '\0')),
              HasSubstr("the name of tensor \"a?b\" is not printable"));
}

class FrozenImportTest : public ImportTest {
 protected:
  FrozenImportTest() {
    RuntimeOptions options{1, 0};
    options.trunk_weights = folder_ + "/trunk.safetensors";
    core::WriteSafetensors(options.trunk_weights, {files::MadeState().state, {}});
    runtime_ = std::make_unique<TorchRuntime>(options, &loader_);
    request_.detector.profile = "frozen";
  }
};

TEST_F(FrozenImportTest, HeadsAreTakenAndTheTrunkMustBeTheServers) {
  const core::DetectorConfig config = core::FrozenProfile(3).detector;
  NamedTensors state = StateOf(config, 9);
  EXPECT_THAT(Refusal(state), HasSubstr("features of another trunk"));
  EXPECT_THAT(Refusal(StateOf(core::MakeProfile("small", 3).detector, 1)),
              HasSubstr("features of another trunk"));
  EXPECT_THAT(Refusal(files::MadeState().state), HasSubstr("no tensor of the file"));
  for (auto entry = state.begin(); entry != state.end();) {
    const bool trunk = entry->first.rfind("backbone.body.", 0) == 0;
    entry = trunk ? state.erase(entry) : std::next(entry);
  }
  const auto report = Import(state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->left.empty());
  EXPECT_EQ(report->taken, static_cast<int64_t>(state.size()));

  // What was written has the server's trunk.
  const NamedTensors written = core::Detector::Load(request_.weights_path, config).net().State();
  fs::remove(request_.weights_path);
  EXPECT_TRUE(Import(written).ok());
}

TEST_F(FrozenImportTest, ATrainedLastStageIsTaken) {
  request_.detector.profile = "last-stage";
  const core::DetectorConfig config = core::MakeProfile("last-stage", 3).detector;
  NamedTensors heads = StateOf(config, 9);
  for (auto entry = heads.begin(); entry != heads.end();) {
    const bool trunk = entry->first.rfind("backbone.body.", 0) == 0;
    entry = trunk ? heads.erase(entry) : std::next(entry);
  }
  ASSERT_TRUE(Import(heads).ok());
  NamedTensors state = core::Detector::Load(request_.weights_path, config).net().State();
  const std::string last = "backbone.body.blocks.15.project.weight";
  state.at(last) = state.at(last) * 2;
  const auto report = Import(state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->left.empty());
  const NamedTensors written = core::Detector::Load(request_.weights_path, config).net().State();
  EXPECT_TRUE(at::equal(written.at(last), state.at(last)));

  state.at("backbone.body.stem.weight") *= 2;
  fs::remove(request_.weights_path);
  EXPECT_THAT(Refusal(state), HasSubstr("features of another trunk"));
}

TEST_F(ImportTest, TorchvisionsFrozenNormsAddNothingToTheVariance) {
  request_.detector.profile = "full";
  const core::DetectorConfig config = core::MakeProfile("full", 3).detector;
  NamedTensors state = StateOf(config, 9);
  ASSERT_TRUE(Import(state).ok());
  EXPECT_EQ(core::Detector::Load(request_.weights_path).config().norm_epsilon, 1e-5);
  for (auto entry = state.begin(); entry != state.end();) {
    entry = core::IsBatchCounter(entry->first) ? state.erase(entry) : std::next(entry);
  }
  ASSERT_TRUE(Import(state).ok());
  // Training goes on from there.
  EXPECT_EQ(core::Detector::Load(request_.weights_path, config).config().norm_epsilon, 0);
}

TEST_F(ImportTest, WithoutPretrainedWeightsAFrozenPoolIsRefused) {
  request_.detector.profile = "frozen";
  const auto refused = Import(StateOf(core::FrozenProfile(3).detector, 9));
  EXPECT_EQ(base::Reason(refused.status()), "NO_TRUNK_WEIGHTS");
}

}  // namespace
}  // namespace mgral::runtime
