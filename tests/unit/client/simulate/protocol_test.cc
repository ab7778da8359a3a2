#include "client/cpp/simulate/protocol.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Dataset MakeDataset(int images) {
  Dataset dataset;
  dataset.name = "made";
  dataset.classes = {"cat"};
  for (int i = 0; i < images; ++i) {
    dataset.images.emplace_back();
    dataset.images.back().image_id = "image" + std::to_string(i);
  }
  return dataset;
}

std::vector<int> Numbers(int from, int to) {
  std::vector<int> numbers(to - from);
  std::iota(numbers.begin(), numbers.end(), from);
  return numbers;
}

SimulateOptions Options() {
  SimulateOptions options;
  options.initial = 5;
  return options;
}

void ExpectDisjoint(const Partition& partition) {
  std::set<int> seen;
  for (const std::vector<int>* part : {&partition.train, &partition.validation, &partition.test}) {
    for (int position : *part) EXPECT_TRUE(seen.insert(position).second) << position;
  }
}

TEST(MakePartition, SaysWhatIsMissing) {
  Dataset dataset = MakeDataset(30);
  dataset.splits = DatasetSplits{Numbers(0, 30), {}, {}};
  EXPECT_THAT(std::string(MakePartition(dataset, Options()).status().message()),
              HasSubstr("\"test\""));
  dataset.splits = DatasetSplits{Numbers(0, 5), Numbers(5, 10), Numbers(10, 20)};
  EXPECT_THAT(std::string(MakePartition(dataset, Options()).status().message()),
              HasSubstr("--initial"));
  EXPECT_FALSE(MakePartition(MakeDataset(0), Options()).ok());
}

TEST(MakePartition, KeepsTheDatasetsSplit) {
  Dataset dataset = MakeDataset(30);
  dataset.splits = DatasetSplits{Numbers(0, 15), Numbers(15, 20), Numbers(20, 30)};
  const Partition partition = *MakePartition(dataset, Options());
  EXPECT_EQ(partition.train, Numbers(0, 15));
  EXPECT_EQ(partition.validation, Numbers(15, 20));
  EXPECT_EQ(partition.test, Numbers(20, 30));
  EXPECT_FALSE(partition.seeded_split);
}

TEST(MakePartition, SetsValidationAsideWhereThereIsNone) {
  Dataset dataset = MakeDataset(60);
  dataset.splits = DatasetSplits{Numbers(0, 40), {}, Numbers(40, 60)};
  SimulateOptions options = Options();
  const Partition partition = *MakePartition(dataset, options);
  EXPECT_EQ(partition.train.size(), 32u);
  EXPECT_EQ(partition.validation.size(), 8u);
  ExpectDisjoint(partition);
  options.val_fraction = 0.5;
  EXPECT_EQ(MakePartition(dataset, options)->validation.size(), 20u);
  // The run's seed changes nothing: all runs are measured alike.
  options = Options();
  options.seeds = {7};
  EXPECT_EQ(MakePartition(dataset, options)->validation, partition.validation);
}

TEST(MakePartition, AFractionOfValidationDoesNotBecomeTraining) {
  Dataset dataset = MakeDataset(30);
  dataset.splits = DatasetSplits{Numbers(0, 10), Numbers(10, 20), Numbers(20, 30)};
  SimulateOptions options = Options();
  options.val_fraction = 0.3;
  const Partition partition = *MakePartition(dataset, options);
  EXPECT_EQ(partition.train.size(), 10u);
  EXPECT_EQ(partition.validation.size(), 3u);
}

TEST(MakePartition, CutsASeededSplit) {
  const Dataset dataset = MakeDataset(100);
  const Partition partition = *MakePartition(dataset, Options());
  EXPECT_TRUE(partition.seeded_split);
  EXPECT_EQ(partition.train.size(), 60u);
  EXPECT_EQ(partition.validation.size(), 15u);
  EXPECT_EQ(partition.test.size(), 25u);
  ExpectDisjoint(partition);
  EXPECT_NE(partition.train, Numbers(0, 60));
  EXPECT_EQ(MakePartition(dataset, Options())->train, partition.train);
}

TEST(MakePartition, LimitsEveryPart) {
  SimulateOptions options = Options();
  options.limit = 10;
  const Partition partition = *MakePartition(MakeDataset(200), options);
  EXPECT_EQ(partition.train.size(), 10u);
  EXPECT_EQ(partition.validation.size(), 10u);
  EXPECT_EQ(partition.test.size(), 10u);
}

TEST(DrawInitial, FollowsFromTheSeedAlone) {
  const std::vector<int> train = Numbers(10, 60);
  const std::vector<int> drawn = DrawInitial(train, 20, 3);
  EXPECT_EQ(drawn, DrawInitial(train, 20, 3));
  EXPECT_NE(drawn, DrawInitial(train, 20, 4));
  EXPECT_EQ(std::set<int>(drawn.begin(), drawn.end()).size(), 20u);
  for (int position : drawn) EXPECT_TRUE(position >= 10 && position < 60);
  EXPECT_EQ(DrawInitial(train, 500, 1).size(), 50u);
}

TEST(PoolFor, AVariantHasItsOwnSettings) {
  const Dataset dataset = MakeDataset(1);
  SimulateOptions options = Options();
  options.replay_probes = 12;
  options.variants = {{"few", {"lookup_greedy", 8, 0.5}}, {"again", {"mgral", {}, {}}}};
  const v1::SelectionSettings few = PoolFor(options, dataset, "few", 1).selection();
  EXPECT_EQ(few.strategy(), "lookup_greedy");
  EXPECT_EQ(few.replay_probes(), 8);
  EXPECT_EQ(few.uniform_share(), 0.5);
  for (const char* label : {"mgral", "again"}) {
    const v1::SelectionSettings own = PoolFor(options, dataset, label, 1).selection();
    EXPECT_EQ(own.strategy(), "mgral");
    EXPECT_EQ(own.replay_probes(), 12);
    EXPECT_FALSE(own.has_uniform_share());
  }
  // The server has no such strategy.
  for (const char* control : {"true_counts", "best_of"}) {
    EXPECT_EQ(PoolFor(options, dataset, control, 1).selection().strategy(), "random");
  }
}

TEST(ParseSeeds, CountsAndLists) {
  EXPECT_THAT(*ParseSeeds("3"), ElementsAre(1, 2, 3));
  EXPECT_THAT(*ParseSeeds("5,8"), ElementsAre(5, 8));
  for (const char* wrong : {"", "0", "-1", "x", "5,", "1.5", "1000000000", "1,-2"}) {
    EXPECT_FALSE(ParseSeeds(wrong).ok()) << wrong;
  }
}

TEST(CheckOptions, NamesTheOption) {
  EXPECT_TRUE(CheckOptions(Options()).ok());
  const auto refused = [](const std::function<void(SimulateOptions&)>& change) {
    SimulateOptions options = Options();
    change(options);
    return std::string(CheckOptions(options).message());
  };
  EXPECT_THAT(refused([](auto& o) { o.strategies = {}; }), HasSubstr("--strategies"));
  EXPECT_THAT(refused([](auto& o) { o.strategies = {"a", "a"}; }), HasSubstr("--strategies"));
  EXPECT_THAT(refused([](auto& o) { o.seeds = {1, 1}; }), HasSubstr("--seeds"));
  EXPECT_THAT(refused([](auto& o) { o.initial = 0; }), HasSubstr("--initial"));
  EXPECT_THAT(refused([](auto& o) { o.batch = 1000000000; }), HasSubstr("--batch"));
  EXPECT_THAT(refused([](auto& o) { o.cycles = -1; }), HasSubstr("--cycles"));
  EXPECT_THAT(refused([](auto& o) { o.probes = -1; }), HasSubstr("--probes"));
  EXPECT_THAT(refused([](auto& o) { o.replay_probes = -1; }), "");  // none
  EXPECT_THAT(refused([](auto& o) { o.replay_probes = -2; }), HasSubstr("--replay-probes"));
  EXPECT_THAT(refused([](auto& o) { o.seconds_per_image = -1; }), HasSubstr("--seconds-per-image"));
  EXPECT_THAT(refused([](auto& o) { o.seconds_per_box = std::nan(""); }),
              HasSubstr("--seconds-per-box"));
  EXPECT_THAT(refused([](auto& o) { o.seconds_per_image = o.seconds_per_box = 0; }),
              HasSubstr("both 0"));
  EXPECT_THAT(refused([](auto& o) { o.val_fraction = 0.0; }), HasSubstr("--val-fraction"));
  EXPECT_THAT(refused([](auto& o) { o.val_fraction = std::nan(""); }), HasSubstr("--val-fraction"));
}

TEST(NeedsTable, OnlyTheTablesOwnStrategies) {
  EXPECT_TRUE(NeedsTable("mgral"));
  EXPECT_TRUE(NeedsTable("lookup_greedy"));
  EXPECT_TRUE(NeedsTable("lookup_shuffled"));
  for (const char* strategy :
       {"random", "entropy", "margin", "core_set", "class_balanced", "true_counts"}) {
    EXPECT_FALSE(NeedsTable(strategy)) << strategy;
  }
}

TEST(SharesFirstCycle, WhatAnySnapshotAnswersWithoutATable) {
  for (const char* strategy :
       {"random", "entropy", "margin", "core_set", "class_balanced", "true_counts"}) {
    EXPECT_TRUE(SharesFirstCycle(strategy)) << strategy;
  }
  for (const char* strategy : {"mgral", "lookup_greedy", "max_herding", "of_a_newer_server"}) {
    EXPECT_FALSE(SharesFirstCycle(strategy)) << strategy;
  }
}

}  // namespace
}  // namespace mgral::client
