// What SelectionRuntime promises, held by the real runtime and by the fake that unit tests trust.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <set>
#include <string>

#include "server/base/errors.h"
#include "server/runtime/torch_runtime.h"
#include "tests/support/fake_selection_runtime.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral {
namespace {

using domain::SelectionRuntime;
using domain::Strategy;
using testing::Each;
using testing::IsEmpty;
using testing::SizeIs;

enum class SelectionKind { kReal, kFake };

class SelectionRuntimeTest : public testing::TestWithParam<SelectionKind> {
 protected:
  void SetUp() override {
    if (GetParam() == SelectionKind::kReal) {
      runtime_ =
          std::make_unique<runtime::TorchRuntime>(runtime::RuntimeOptions{1, 64 << 20}, &loader_);
    } else {
      runtime_ = std::make_unique<test::FakeSelectionRuntime>();
    }
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
      signals[i].object_dim = 2;
      signals[i].objects = {static_cast<int8_t>(i % 7), 127};
    }
    return signals;
  }
  // Expected objects of each of `images`.
  static std::vector<std::vector<float>> Expected(const std::vector<domain::ImageSignals>& images) {
    std::vector<std::vector<float>> out;
    for (const domain::ImageSignals& image : images) out.push_back(image.expected_objects);
    return out;
  }
  static SelectionRuntime::PlanRequest PlanRequest() {
    SelectionRuntime::PlanRequest request;
    request.num_classes = 2;
    request.candidates = Signals(30, 1);
    request.labeled = Signals(12, 100);
    for (int i = 0; i < 12; ++i) request.labeled_objects.push_back({1, i % 3 == 0 ? 1.0f : 0.0f});
    request.class_ap = {0.5, std::nan("")};
    request.batch_size = 4;
    request.replay_probes = 20;
    request.seed = 5;
    return request;
  }
  SelectionRuntime::TableRequest TableRequest() {
    SelectionRuntime::TableRequest request;
    request.inputs = PlanRequest();
    const auto plan = runtime_->PlanProbes(request.inputs);
    EXPECT_TRUE(plan.ok()) << plan.status();
    request.plan = *plan;
    int64_t batch = 0;
    for (const int probes : request.plan.probes) {
      domain::ReplayBase& base = request.bases.emplace_back();
      for (int64_t key = 100; key < 106; ++key) base.image_keys.push_back(key);
      for (int p = 0; p < probes; ++p) {
        const double size = 1 + static_cast<double>(batch % 5);
        domain::ReplayProbe& probe = base.probes.emplace_back();
        for (int64_t key = 106; key < 106 + size; ++key) probe.image_keys.push_back(key);
        probe.response = {0.05 * size, std::nan("")};
        probe.half_response = {probe.response, probe.response};
        probe.held_positives = {8, 0};
        probe.missed = {0.5 * size, 0};
        ++batch;
      }
    }
    request.newly_labeled = {110, 111};
    request.previous_class_ap = {0.4, std::nan("")};
    request.class_gain = {0.02, std::nan("")};
    return request;
  }

  test::FakeLoader loader_;
  std::unique_ptr<SelectionRuntime> runtime_;
};

INSTANTIATE_TEST_SUITE_P(All, SelectionRuntimeTest,
                         testing::Values(SelectionKind::kReal, SelectionKind::kFake),
                         [](const auto& kind) {
                           return kind.param == SelectionKind::kReal ? "Real" : "Fake";
                         });

TEST_P(SelectionRuntimeTest, WithoutLabelsExpectationsStay) {
  std::vector<domain::ImageSignals> candidates = Signals(5, 1);
  ASSERT_TRUE(runtime_->ExpectObjects({}, {}, &candidates).ok());
  EXPECT_EQ(Expected(candidates), Expected(Signals(5, 1)));
}

TEST_P(SelectionRuntimeTest, ExpectedObjectsAreNeverNegativeAndTheSameEachTime) {
  std::vector<domain::ImageSignals> first = Signals(5, 1), second = first;
  const SelectionRuntime::PlanRequest request = PlanRequest();
  ASSERT_TRUE(runtime_->ExpectObjects(request.labeled, request.labeled_objects, &first).ok());
  ASSERT_TRUE(runtime_->ExpectObjects(request.labeled, request.labeled_objects, &second).ok());
  EXPECT_EQ(Expected(first), Expected(second));
  for (const domain::ImageSignals& image : first) {
    EXPECT_THAT(image.expected_objects, SizeIs(2));
    EXPECT_THAT(image.expected_objects, Each(testing::Ge(0)));
  }
}

TEST_P(SelectionRuntimeTest, SpreadsTheProbesOverBases) {
  SelectionRuntime::PlanRequest request = PlanRequest();
  const auto plan = runtime_->PlanProbes(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(std::accumulate(plan->probes.begin(), plan->probes.end(), 0), 20);
  EXPECT_THAT(plan->probes, Each(testing::Gt(0)));
  EXPECT_EQ(plan->seed, 5u);
  EXPECT_EQ(runtime_->PlanProbes(request)->cells, plan->cells);
  SelectionRuntime::PlanRequest none = request;
  none.candidates.clear();
  EXPECT_THAT(runtime_->PlanProbes(none)->probes, IsEmpty());
  request.replay_probes = 0;
  EXPECT_THAT(runtime_->PlanProbes(request)->probes, IsEmpty());
  request.replay_probes = 20;
  request.labeled.resize(3);
  EXPECT_THAT(runtime_->PlanProbes(request)->probes, IsEmpty()) << "too few are labeled";
}

TEST_P(SelectionRuntimeTest, WhatTheBasesDoNotMissIsWorthLess) {
  if (GetParam() != SelectionKind::kReal) GTEST_SKIP() << "the fake's gains are made up";
  SelectionRuntime::TableRequest request = TableRequest();
  for (domain::ReplayBase& base : request.bases) {
    for (domain::ReplayProbe& probe : base.probes) {
      probe.response.assign(2, std::nan(""));  // the weights stay the prior's
      probe.held_positives = {0, 0};
      probe.missed.clear();  // as earlier releases left it: all
    }
  }
  const auto all = runtime_->FitTable(request);
  for (domain::ReplayBase& base : request.bases) {
    for (domain::ReplayProbe& probe : base.probes) probe.missed = {0, 0};
  }
  const auto none = runtime_->FitTable(request);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_TRUE(none.ok()) << none.status();
  for (size_t i = 0; i < all->expected_gain.size(); ++i) {
    if (request.inputs.candidates[i].expected_objects[0] == 0) continue;
    EXPECT_LT(none->expected_gain[i][0], all->expected_gain[i][0]);
  }
  EXPECT_LT(none->newest.features[0], all->newest.features[0]);
}

TEST_P(SelectionRuntimeTest, FitsATableWhoseEntriesAddUp) {
  const SelectionRuntime::TableRequest request = TableRequest();
  const auto table = runtime_->FitTable(request);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->entries, SizeIs(30));
  EXPECT_THAT(table->cells, SizeIs(30));
  EXPECT_THAT(table->expected_gain, SizeIs(30));
  EXPECT_THAT(table->expected_gain, Each(SizeIs(2)));
  EXPECT_EQ(table->report.replay_probes, 20);
  EXPECT_THAT(table->newest.features, testing::Not(IsEmpty()));
  EXPECT_EQ(table->newest.class_ap[0], 0.4);
  EXPECT_EQ(table->newest.class_gain[0], 0.02);
  EXPECT_GT(table->report.cells, 0);
  for (const domain::FeatureWeight& weight : table->report.weights) {
    EXPECT_THAT(weight.covariance, SizeIs(table->report.weights.size())) << weight.feature;
  }
  for (const int cell : table->cells) EXPECT_LT(cell, table->report.cells);
  EXPECT_EQ(runtime_->FitTable(request)->entries, table->entries);
  SelectionRuntime::TableRequest later = request;
  later.realized = {table->newest};
  later.newly_labeled.clear();
  const auto next = runtime_->FitTable(later);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_THAT(next->newest.features, IsEmpty());

  for (const size_t i : {size_t{0}, size_t{29}}) {
    const auto alone = runtime_->EstimateGain(table->table, {table->entries[i]});
    ASSERT_TRUE(alone.ok()) << alone.status();
    ASSERT_THAT(alone->class_mean, SizeIs(2));
    EXPECT_THAT(alone->class_standard_error, SizeIs(2));
    for (int c : {0, 1}) EXPECT_NEAR(alone->class_mean[c], table->expected_gain[i][c], 1e-6);
  }
  const auto all = runtime_->EstimateGain(table->table, table->entries);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_NEAR(all->mean, (all->class_mean[0] + all->class_mean[1]) / 2, 1e-9);
  EXPECT_EQ(runtime_->EstimateGain(table->table, {})->mean, 0);
}

TEST_P(SelectionRuntimeTest, ATableOfAnotherReleaseIsNone) {
  if (GetParam() == SelectionKind::kFake) GTEST_SKIP() << "the fake has one release";
  std::string table = runtime_->FitTable(TableRequest())->table;
  table[4] = 1;  // the version
  const absl::Status refused = runtime_->EstimateGain(table, {}).status();
  EXPECT_EQ(base::Reason(refused), "NO_TABLE") << refused;
}

TEST_P(SelectionRuntimeTest, RefusesWhatIsOfAnotherTable) {
  SelectionRuntime::TableRequest request = TableRequest();
  const auto table = runtime_->FitTable(request);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(runtime_->EstimateGain("no table", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(runtime_->EstimateGain(table->table, {"no entry"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  request.plan.cells = "no cells";
  EXPECT_EQ(runtime_->FitTable(request).status().code(), absl::StatusCode::kDataLoss);
  request = TableRequest();
  request.bases.pop_back();
  EXPECT_EQ(runtime_->FitTable(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(SelectionRuntimeTest, EveryStrategyRanksDistinctCandidatesUpToTheLimit) {
  const auto table = runtime_->FitTable(TableRequest());
  ASSERT_TRUE(table.ok()) << table.status();
  SelectionRuntime::RankRequest request;
  request.candidates = Signals(30, 1);
  request.labeled = Signals(5, 100);
  request.labeled_class_counts = {4, 1};
  request.batch_size = 4;
  request.seed = 2;
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    SCOPED_TRACE(info.name);
    request.strategy = info.strategy;
    request.table = nullptr;
    request.limit = 10;
    if (info.needs_table) {
      EXPECT_EQ(runtime_->Rank(request, nullptr).status().code(),
                absl::StatusCode::kInvalidArgument);
      request.table = &*table;
    }
    const auto ranked = runtime_->Rank(request, nullptr);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    EXPECT_THAT(ranked->image_keys, SizeIs(10));
    EXPECT_EQ(runtime_->Rank(request, nullptr)->image_keys, ranked->image_keys);
    EXPECT_EQ(ranked->selector.empty(), info.strategy != Strategy::kMgral);
    request.limit = 99;
    const auto all = runtime_->Rank(request, nullptr);
    ASSERT_TRUE(all.ok()) << all.status();
    const std::set<int64_t> keys(all->image_keys.begin(), all->image_keys.end());
    EXPECT_EQ(keys.size(), 30u);
    EXPECT_EQ(*keys.begin(), 1);
    EXPECT_EQ(*keys.rbegin(), 30);
    request.previous_selector = ranked->selector;
    EXPECT_TRUE(runtime_->Rank(request, nullptr).ok());
  }
  request.strategy = Strategy::kMgral;
  request.table = &*table;
  request.previous_selector = "of an earlier release";
  EXPECT_TRUE(runtime_->Rank(request, nullptr).ok());
  EXPECT_EQ(runtime_->Rank(request, [](double) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  request.candidates.clear();
  EXPECT_THAT(runtime_->Rank(request, nullptr)->image_keys, IsEmpty());
}

}  // namespace
}  // namespace mgral
