#include <algorithm>
#include <fstream>
#include <set>

#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/fidelity/fidelity_summary.h"
#include "client/cpp/fidelity/trial_batches.h"
#include "client/cpp/lib/files.h"
#include "gmock/gmock.h"
#include "tests/unit/client/fidelity/fidelity_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

TEST_F(FidelityTest, MeasuresEveryBatchWithEverySeed) {
  options_.batches = 6;
  const absl::StatusOr<FidelityResults> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->batches.size(), 6u);
  EXPECT_EQ(results->trainings.size(), 2u * 7);
  ASSERT_EQ(service_.pools().size(), 1u + 2 * 7);
  for (const auto& pool : service_.pools()) EXPECT_TRUE(pool->deleted);

  const FakePool& table = *service_.pools()[0];
  EXPECT_EQ(table.pool.selection().strategy(), "mgral");
  EXPECT_EQ(table.without_table, std::vector<bool>{false});
  EXPECT_EQ(table.released.size(), table.queries.size());
  EXPECT_EQ(table.first_labels.size(), 10u);
  for (size_t i = 1; i < service_.pools().size(); ++i) {
    const FakePool& pool = *service_.pools()[i];
    // Both bases, then the batches with one seed, then with the other.
    const int batch = i < 3 ? -1 : static_cast<int>((i - 3) % 6);
    EXPECT_EQ(pool.without_table, std::vector<bool>{true});
    EXPECT_EQ(pool.pool.selection().seed(), i == 1 || (i > 2 && i < 9) ? 1 : 2);
    // Nothing but what is trained on and validated with.
    EXPECT_EQ(pool.images.size(), pool.labels.size());
    std::set<std::string> wanted(table.first_labels.begin(), table.first_labels.end());
    if (batch >= 0) {
      const auto& images = results->batches[static_cast<size_t>(batch)].images;
      wanted.insert(images.begin(), images.end());
    }
    EXPECT_EQ(std::set<std::string>(pool.first_labels.begin(), pool.first_labels.end()), wanted);
  }
}

TEST_F(FidelityTest, BatchesAreDifferentAndOfAllKinds) {
  options_.replay.seeds = {1};
  const absl::StatusOr<FidelityResults> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  std::set<std::set<std::string>> batches;
  std::set<std::string> kinds, strategies;
  for (const TrialBatch& batch : results->batches) {
    batches.emplace(batch.images.begin(), batch.images.end());
    kinds.insert(batch.kind);
    if (batch.kind == NameOf(BatchKind::kSelected)) strategies.insert(batch.of);
    EXPECT_GE(batch.images.size(), 3u);
    EXPECT_LE(batch.images.size(), 25u);
    EXPECT_DOUBLE_EQ(batch.estimate.mean, 0.001 * static_cast<double>(batch.images.size()));
    EXPECT_DOUBLE_EQ(batch.estimate.standard_error, 0.01);
    EXPECT_EQ(batch.classes.size(), dataset_.classes.size());
    int64_t boxes = 0;
    for (const std::string& image_id : batch.images) {
      boxes += static_cast<int64_t>(service_.truth[image_id].size());
      EXPECT_EQ(service_.pools()[0]->labels.count(image_id), 0u);
    }
    EXPECT_EQ(batch.boxes, boxes);
  }
  EXPECT_EQ(batches.size(), 16u);
  EXPECT_EQ(kinds.size(), std::size(kBatchKinds));
  EXPECT_EQ(strategies.size(), 4u);  // a quarter of the batches
}

// Split files list images in any order.
TEST_F(FidelityTest, NoBatchHoldsLabeledImagesWhateverTheOrderOfTheSplit) {
  std::vector<int>& train = dataset_.splits->train;
  std::reverse(train.begin(), train.end());
  options_.replay.seeds = {1};
  const absl::StatusOr<FidelityResults> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  for (const TrialBatch& batch : results->batches) {
    for (const std::string& image_id : batch.images) {
      EXPECT_EQ(service_.pools()[0]->labels.count(image_id), 0u) << image_id;
    }
  }
}

TEST_F(FidelityTest, GainsAreThoseOfTheTestImages) {
  const absl::StatusOr<FidelityResults> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  const FidelitySummary summary = Summarize(*results);
  EXPECT_EQ(summary.batches, 16);
  EXPECT_EQ(summary.seeds, 2);
  EXPECT_GT(*summary.mean_gain, 0);
  EXPECT_GT(*summary.predictors[0].rank.value, 0.8);
  EXPECT_GT(*summary.test_retest.value, 0.2);
  const absl::StatusOr<std::string> html = ReadFile((root_ / "out/fidelity.html").string());
  ASSERT_TRUE(html.ok());
  EXPECT_THAT(*html, HasSubstr("follows the real gain"));
  EXPECT_THAT(*html, HasSubstr("<svg"));
  EXPECT_EQ(FidelityToJson(*Written()), FidelityToJson(*results));
}

TEST_F(FidelityTest, EstimatesAreWrittenBeforeAnythingIsMeasured) {
  options_.batches = 6;
  service_.fail_at_cycle = 0;
  service_.fail_at_pool = 1;
  const absl::Status status = Run().status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("seed 1, initial labels"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("the disk is full"));
  const absl::StatusOr<FidelityResults> written = Written();
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->batches.size(), 6u);
  EXPECT_TRUE(written->trainings.empty());
}

TEST_F(FidelityTest, ResumeTrainsWhatIsMissingWithTheSameBatches) {
  options_.batches = 6;
  service_.fail_at_cycle = 0;
  service_.fail_at_pool = 10;
  ASSERT_FALSE(Run().ok());
  const absl::StatusOr<FidelityResults> before = Written();
  ASSERT_EQ(before->trainings.size(), 9u);
  EXPECT_EQ(Summarize(*before).seeds, 1);
  service_.fail_at_pool = -1;
  service_.fail_at_cycle = -1;
  service_.makes_tables = false;  // none is needed anymore
  options_.replay.resume = true;
  absl::StatusOr<FidelityResults> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(service_.pools().size(), 11u + 14 - 9);
  EXPECT_EQ(results->trainings.size(), 14u);
  EXPECT_EQ(FidelityToJson(*results)["batches"], FidelityToJson(*before)["batches"]);
  // More seeds and another profile may come later.
  options_.replay.seeds = {1, 2, 3};
  options_.also_profile = "last-stage";
  options_.also_batches = 2;
  results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(results->trainings.size(), 3u * 7 + 3 * 3);
  EXPECT_EQ(service_.pools().back()->pool.detector().profile(), "last-stage");
  EXPECT_EQ(service_.pools()[12]->pool.detector().profile(), "frozen");
  const FidelitySummary summary = Summarize(*results);
  EXPECT_EQ(summary.other->batches, 2);
  EXPECT_FALSE(summary.other->rank.value.has_value());
}

TEST_F(FidelityTest, AResultsFileOfAnotherProtocolIsRefused) {
  options_.batches = 2;
  options_.replay.seeds = {1};
  ASSERT_TRUE(Run().ok());
  options_.replay.resume = true;
  const size_t pools = service_.pools().size();
  options_.largest = 20;
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("largest_batch 25, not 20"));
  options_.largest = 25;
  options_.replay.profile = "tiny";
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("profile \"frozen\", not \"tiny\""));
  options_.replay.profile = "";
  dataset_.name = "other";
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("--resume: "));
  for (const char* broken : {"{half", "{}", "[]", R"({"dataset": 3})"}) {
    std::ofstream(root_ / "out/fidelity.json") << broken;
    EXPECT_THAT(std::string(Run().status().message()), HasSubstr("not a fidelity.json"));
  }
  EXPECT_EQ(service_.pools().size(), pools);
}

TEST_F(FidelityTest, SaysWhatIsMissing) {
  options_.replay.initial = 60;
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("the largest batch is of 25"));
  options_.replay.initial = 10;
  for (int position : dataset_.splits->test) dataset_.images[position].boxes.clear();
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("no objects"));
  EXPECT_TRUE(service_.pools().empty());
}

TEST_F(FidelityTest, WithoutATableThereIsNothingToTest) {
  service_.makes_tables = false;
  const absl::Status status = Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no look-up table"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "out/fidelity.json"));
}

TEST_F(FidelityTest, ARefusedEstimateOrAnotherStrategyEndsIt) {
  service_.unknown_strategy = "core_set";
  options_.strategies = {"core_set"};
  EXPECT_THAT(std::string(Run().status().message()),
              HasSubstr("by \"random\" instead of \"core_set\""));
  service_.unknown_strategy = "";
  options_.batches = 1;
  options_.smallest = options_.largest = Unlabeled();
  service_.refuses_estimates = true;
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("unknown image"));
}

TEST_F(FidelityTest, TooFewDifferentBatches) {
  options_.batches = 2;
  options_.smallest = options_.largest = Unlabeled();
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("only 1 different batches"));
}

TEST(BaseSeeds, ThoseOfTheTruthFirst) {
  FidelityOptions options;
  options.replay.seeds = {2, 7};
  options.seed = 3;
  options.base_seeds = 5;
  EXPECT_THAT(BaseSeeds(options), testing::ElementsAre(2, 7, 1, 4, 5));
  options.base_seeds = 1;
  EXPECT_THAT(BaseSeeds(options), testing::ElementsAre(2, 7));
}

TEST(CheckFidelityOptions, NamesTheOption) {
  const auto message = [](const std::function<void(FidelityOptions&)>& change) {
    FidelityOptions options;
    change(options);
    return std::string(CheckFidelityOptions(options).message());
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_THAT(message([](auto& o) { o.seed = 1; }), HasSubstr("--seed: 1 is among --seeds"));
  EXPECT_THAT(message([](auto& o) { o.seed = -1; }), HasSubstr("--seed"));
  EXPECT_THAT(message([](auto& o) { o.base_seeds = 0; }), HasSubstr("--base-seeds"));
  EXPECT_THAT(message([](auto& o) { o.batches = 0; }), HasSubstr("--batches"));
  EXPECT_THAT(message([](auto& o) { o.smallest = 0; }), HasSubstr("--smallest"));
  EXPECT_THAT(message([](auto& o) { o.largest = 4; }), HasSubstr("--largest"));
  EXPECT_THAT(message([](auto& o) { o.also_batches = 0; }), HasSubstr("--also-batches"));
  EXPECT_THAT(message([](auto& o) { o.strategies = {"badge"}; }), HasSubstr("lookup_greedy"));
  EXPECT_THAT(message([](auto& o) { o.strategies = {}; }), HasSubstr("--strategies"));
  EXPECT_THAT(message([](auto& o) { o.replay.profile = "external"; }), HasSubstr("external"));
  EXPECT_THAT(message([](auto& o) { o.also_profile = "external"; }), HasSubstr("external"));
  EXPECT_THAT(message([](auto& o) { o.replay.initial = 0; }), HasSubstr("--initial"));
}

}  // namespace
}  // namespace mgral::client
