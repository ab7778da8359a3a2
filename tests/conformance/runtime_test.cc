// What DetectorRuntime and SelectionRuntime promise, held by the real runtime and by the fakes that
// unit tests trust.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "server/base/errors.h"
#include "server/runtime/torch_runtime.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/fake_selection_runtime.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral {
namespace {

namespace fs = std::filesystem;
using domain::DetectorRuntime;
using domain::SelectionRuntime;
using domain::Strategy;
using testing::Each;
using testing::IsEmpty;
using testing::SizeIs;

enum class Kind { kReal, kFake };

class RuntimeTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    folder_ = (fs::temp_directory_path() / "mgral_runtimes_XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    if (GetParam() == Kind::kReal) {
      auto runtime =
          std::make_shared<runtime::TorchRuntime>(runtime::RuntimeOptions{1, 64 << 20}, &loader_);
      detector_ = runtime;
      selection_ = runtime;
    } else {
      detector_ = std::make_shared<test::FakeDetectorRuntime>(&loader_);
      selection_ = std::make_shared<test::FakeSelectionRuntime>();
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  static bool Stop(double) { return false; }

  DetectorRuntime::TrainRequest TrainRequest(const std::string& name, int classes = 1) {
    DetectorRuntime::TrainRequest request;
    for (int i = 0; i < 4; ++i) request.training.push_back(test::FakeLoader::Example(i));
    for (int i = 4; i < 6; ++i) request.validation.push_back(test::FakeLoader::Example(i));
    request.detector.profile = "micro";
    request.detector.training_steps = 2;
    request.detector.input_size = 96;
    request.num_classes = classes;
    request.checkpoint_folder = folder_ + "/" + name;
    request.seed = 3;
    fs::create_directories(request.checkpoint_folder);
    return request;
  }
  std::string Weights() {
    const auto trained = detector_->Train(TrainRequest("weights"), nullptr);
    EXPECT_TRUE(trained.ok()) << trained.status();
    return trained.ok() ? trained->weights_path : "";
  }
  static std::vector<domain::Image> Images(int count) {
    std::vector<domain::Image> images;
    for (int i = 0; i < count; ++i) images.push_back(test::FakeLoader::Example(20 + i).image);
    return images;
  }

  // Signals of two classes, with an object in each image.
  static std::vector<domain::ImageSignals> Signals(int count, int64_t first_key) {
    std::vector<domain::ImageSignals> signals(count);
    for (int i = 0; i < count; ++i) {
      signals[i].image_key = first_key + i;
      const float x = static_cast<float>((i * 37) % 50) / 50;
      signals[i].embedding = {x, 1 - x, x * x};
      signals[i].expected_objects = {x, 1};
      signals[i].uncertainty = {1 - x, x};
      signals[i].disagreement = x / 3;
      domain::Box box;
      box.width = box.height = 10;
      box.score = 0.1 + 0.8 * x;
      signals[i].predictions = {box};
    }
    return signals;
  }
  static SelectionRuntime::PlanRequest PlanRequest() {
    SelectionRuntime::PlanRequest request;
    request.num_classes = 2;
    request.candidates = Signals(30, 1);
    request.labeled = Signals(12, 100);
    request.revealed = Signals(8, 100);
    request.labeled_class_counts = {12, 5};
    request.validation.classes.resize(2);
    request.batch_size = 4;
    request.probes = 3;
    request.replay_probes = 4;
    request.seed = 5;
    return request;
  }
  SelectionRuntime::TableRequest TableRequest() {
    SelectionRuntime::TableRequest request;
    request.inputs = PlanRequest();
    const auto plan = selection_->PlanProbes(request.inputs);
    EXPECT_TRUE(plan.ok()) << plan.status();
    request.plan = *plan;
    for (const domain::ProbeBatch& probe : request.plan.probes) {
      const double gain = 0.003 * static_cast<double>(probe.image_keys.size());
      request.responses.push_back({{0.5 + gain, std::nan("")}, {1, 1}, 0.5});
    }
    request.realized = {{Signals(4, 100), {0.02, std::nan("")}}};
    return request;
  }

  std::string folder_;
  test::FakeLoader loader_;
  std::shared_ptr<DetectorRuntime> detector_;
  std::shared_ptr<SelectionRuntime> selection_;
};

INSTANTIATE_TEST_SUITE_P(All, RuntimeTest, testing::Values(Kind::kReal, Kind::kFake),
                         [](const auto& kind) {
                           return kind.param == Kind::kReal ? "Real" : "Fake";
                         });

TEST_P(RuntimeTest, KnowsItsProfiles) {
  for (const char* name : {"micro", "tiny", "small", "base", "large"}) {
    const auto profile = detector_->Profile(name);
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_GT(profile->input_size, 0);
    EXPECT_GT(profile->probes, 0);
    EXPECT_GT(profile->replay_probes, 0);
  }
  const absl::Status unknown = detector_->Profile("enormous").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_THAT(base::FieldViolations(unknown), SizeIs(1));
  EXPECT_EQ(base::FieldViolations(unknown)[0].field, "detector.profile");
}

TEST_P(RuntimeTest, TrainingLeavesWeightsInItsFolderAndMeasuresThem) {
  const auto request = TrainRequest("a", 2);
  const auto trained = detector_->Train(request, nullptr);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(fs::path(trained->weights_path).parent_path(), request.checkpoint_folder);
  EXPECT_TRUE(fs::exists(trained->weights_path));
  EXPECT_GT(trained->parameters, 0);
  EXPECT_EQ(trained->validation.images, 2);
  EXPECT_THAT(trained->validation.classes, SizeIs(2));
  EXPECT_EQ(detector_->Train(TrainRequest("b"), Stop).status().code(),
            absl::StatusCode::kCancelled);
  auto cold = TrainRequest("c");
  cold.training.clear();
  EXPECT_TRUE(detector_->Train(cold, nullptr).ok());
  auto unknown = TrainRequest("d");
  unknown.detector.profile = "enormous";
  EXPECT_EQ(detector_->Train(unknown, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(RuntimeTest, EmbedsInOrderAndTheSameForTheSameSeed) {
  const std::string weights = Weights();
  std::vector<domain::Image> images = Images(3);
  images[1].source.location = "bad";
  const auto signals = detector_->Embed(weights, images, nullptr);
  ASSERT_TRUE(signals.ok()) << signals.status();
  ASSERT_THAT(*signals, SizeIs(3));
  for (int i : {0, 2}) {
    const domain::ImageSignals& image = (*signals)[i];
    EXPECT_EQ(image.image_key, images[i].key);
    EXPECT_EQ(image.error, "");
    EXPECT_GT(image.embedding.size(), 0u);
    EXPECT_LE(image.embedding.size(), 128u);
    EXPECT_EQ(image.embedding.size(), (*signals)[0].embedding.size());
    EXPECT_THAT(image.expected_objects, SizeIs(1));
    EXPECT_THAT(image.uncertainty, SizeIs(1));
    EXPECT_THAT(image.uncertainty, Each(testing::Ge(0)));
  }
  EXPECT_EQ((*signals)[1].image_key, images[1].key);
  EXPECT_NE((*signals)[1].error, "");
  EXPECT_THAT((*signals)[1].embedding, IsEmpty());
  const auto again = detector_->Train(TrainRequest("again"), nullptr);
  ASSERT_TRUE(again.ok());
  const auto same = detector_->Embed(again->weights_path, images, nullptr);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ((*same)[2].embedding, (*signals)[2].embedding);

  EXPECT_THAT(*detector_->Embed(weights, {}, nullptr), IsEmpty());
  EXPECT_EQ(detector_->Embed(weights, Images(1), Stop).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(detector_->Embed(folder_ + "/missing.pt", Images(1), nullptr).ok());
  images[1].source.location = "away";
  EXPECT_EQ(detector_->Embed(weights, images, nullptr).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(RuntimeTest, ProbesEveryClassAndTheSameForTheSameSeed) {
  DetectorRuntime::ProbeRequest request;
  request.weights_path = Weights();
  const auto train = TrainRequest("unused");
  request.detector = train.detector;
  request.num_classes = 1;
  request.labeled = train.training;
  request.validation = train.validation;
  for (int i = 8; i < 11; ++i) request.batch.push_back(test::FakeLoader::Example(i));
  request.probe.seed = 4;
  for (const bool replay : {false, true}) {
    request.probe.replay = replay;
    const auto response = detector_->RunProbe(request, nullptr);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_THAT(response->class_ap50, SizeIs(1));
    EXPECT_THAT(response->class_loss, SizeIs(1));
    EXPECT_GT(response->seconds, 0);
    EXPECT_EQ(detector_->RunProbe(request, nullptr)->class_loss, response->class_loss);
  }
  EXPECT_EQ(detector_->RunProbe(request, Stop).status().code(), absl::StatusCode::kCancelled);
  request.weights_path = folder_ + "/missing.pt";
  EXPECT_FALSE(detector_->RunProbe(request, nullptr).ok());
}

TEST_P(RuntimeTest, PredictsFromSourcesAndFromBytes) {
  const std::string weights = Weights();
  std::vector<domain::Image> images(3);
  images[0].source.location = "120x90:1";
  images[1].source.location = "bad";
  const auto found = detector_->Predict({}, weights, images, {"", "", "60x45:2"}, 0.001);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(*found, SizeIs(3));
  EXPECT_EQ((*found)[0].width, 120);
  EXPECT_EQ((*found)[0].height, 90);
  EXPECT_EQ((*found)[0].error, "");
  EXPECT_NE((*found)[1].error, "");
  EXPECT_EQ((*found)[2].height, 45);
  for (const domain::Box& box : (*found)[0].boxes) {
    EXPECT_GE(box.score, 0.001);
    EXPECT_GE(box.x_min, 0);
    EXPECT_LE(box.x_min + box.width, 120 + 1e-6);
    EXPECT_LE(box.y_min + box.height, 90 + 1e-6);
  }
  EXPECT_THAT((*detector_->Predict({}, weights, images, {"", "", "60x45:2"}, 1.0))[0].boxes,
              IsEmpty());
  EXPECT_EQ(detector_->Predict({}, weights, images, {}, 0.1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(detector_->Predict({}, folder_ + "/missing.pt", Images(1), {}, 0.1).ok());
}

TEST_P(RuntimeTest, PlansAControlBeforeTheProbesOfEachKindAndSeed) {
  const SelectionRuntime::PlanRequest request = PlanRequest();
  const auto plan = selection_->PlanProbes(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::set<std::pair<bool, uint64_t>> controlled;
  int semi_supervised = 0, replays = 0;
  for (const domain::ProbeBatch& probe : plan->probes) {
    if (probe.control) {
      EXPECT_THAT(probe.image_keys, IsEmpty());
      controlled.insert({probe.replay, probe.seed});
      continue;
    }
    EXPECT_EQ(controlled.count({probe.replay, probe.seed}), 1u);
    ++(probe.replay ? replays : semi_supervised);
    EXPECT_EQ(std::set<int64_t>(probe.image_keys.begin(), probe.image_keys.end()).size(), 4u);
    for (const int64_t key : probe.image_keys) {
      EXPECT_EQ(probe.replay ? key >= 100 && key < 108 : key >= 1 && key < 31, true) << key;
    }
  }
  EXPECT_EQ(semi_supervised, 3);
  EXPECT_EQ(replays, 4);
  EXPECT_EQ(selection_->PlanProbes(request)->cells, plan->cells);
  SelectionRuntime::PlanRequest none;
  none.num_classes = 2;
  none.probes = none.replay_probes = 4;
  const auto empty = selection_->PlanProbes(none);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_THAT(empty->probes, IsEmpty());
}

TEST_P(RuntimeTest, FitsATableWhoseEntriesAddUp) {
  const SelectionRuntime::TableRequest request = TableRequest();
  const auto table = selection_->FitTable(request);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->entries, SizeIs(30));
  EXPECT_THAT(table->cells, SizeIs(30));
  EXPECT_THAT(table->expected_gain, SizeIs(30));
  EXPECT_THAT(table->expected_gain, Each(SizeIs(2)));
  EXPECT_EQ(table->report.probes, 3);
  EXPECT_EQ(table->report.replay_probes, 4);
  EXPECT_GT(table->report.cells, 0);
  for (const int cell : table->cells) EXPECT_LT(cell, table->report.cells);
  EXPECT_EQ(selection_->FitTable(request)->entries, table->entries);

  for (const size_t i : {size_t{0}, size_t{29}}) {
    const auto alone = selection_->EstimateGain(table->table, {table->entries[i]});
    ASSERT_TRUE(alone.ok()) << alone.status();
    ASSERT_THAT(alone->class_mean, SizeIs(2));
    EXPECT_THAT(alone->class_standard_error, SizeIs(2));
    for (int c : {0, 1}) EXPECT_NEAR(alone->class_mean[c], table->expected_gain[i][c], 1e-6);
  }
  const auto all = selection_->EstimateGain(table->table, table->entries);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_NEAR(all->mean, (all->class_mean[0] + all->class_mean[1]) / 2, 1e-9);
  EXPECT_EQ(selection_->EstimateGain(table->table, {})->mean, 0);
}

TEST_P(RuntimeTest, RefusesWhatIsOfAnotherTable) {
  SelectionRuntime::TableRequest request = TableRequest();
  const auto table = selection_->FitTable(request);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(selection_->EstimateGain("no table", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(selection_->EstimateGain(table->table, {"no entry"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  request.plan.cells = "no cells";
  EXPECT_EQ(selection_->FitTable(request).status().code(), absl::StatusCode::kDataLoss);
  request = TableRequest();
  request.responses.pop_back();
  EXPECT_EQ(selection_->FitTable(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(RuntimeTest, EveryStrategyRanksDistinctCandidatesUpToTheLimit) {
  const auto table = selection_->FitTable(TableRequest());
  ASSERT_TRUE(table.ok()) << table.status();
  SelectionRuntime::RankRequest request;
  request.candidates = Signals(30, 1);
  request.labeled = Signals(5, 100);
  request.batch_size = 4;
  request.seed = 2;
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    SCOPED_TRACE(info.name);
    request.strategy = info.strategy;
    request.table = nullptr;
    request.limit = 10;
    if (info.needs_table) {
      EXPECT_EQ(selection_->Rank(request, nullptr).status().code(),
                absl::StatusCode::kInvalidArgument);
      request.table = &*table;
    }
    const auto ranked = selection_->Rank(request, nullptr);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    EXPECT_THAT(ranked->image_keys, SizeIs(10));
    EXPECT_EQ(selection_->Rank(request, nullptr)->image_keys, ranked->image_keys);
    EXPECT_EQ(ranked->selector.empty(), info.strategy != Strategy::kMgral);
    request.limit = 99;
    const auto all = selection_->Rank(request, nullptr);
    ASSERT_TRUE(all.ok()) << all.status();
    const std::set<int64_t> keys(all->image_keys.begin(), all->image_keys.end());
    EXPECT_EQ(keys.size(), 30u);
    EXPECT_EQ(*keys.begin(), 1);
    EXPECT_EQ(*keys.rbegin(), 30);
    request.previous_selector = ranked->selector;
    EXPECT_TRUE(selection_->Rank(request, nullptr).ok());
  }
  request.strategy = Strategy::kMgral;
  request.table = &*table;
  request.previous_selector = "of an earlier release";
  EXPECT_TRUE(selection_->Rank(request, nullptr).ok());
  EXPECT_EQ(selection_->Rank(request, Stop).status().code(), absl::StatusCode::kCancelled);
  request.candidates.clear();
  EXPECT_THAT(selection_->Rank(request, nullptr)->image_keys, IsEmpty());
}

}  // namespace
}  // namespace mgral
