#include "server/core/lookup/probe_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr int64_t kDim = 4, kClasses = 2;

ImageSet MakeSet(int64_t images, int64_t first_key, uint64_t seed) {
  RandomStream random(seed);
  ImageSet set;
  set.signals.images = images;
  set.signals.classes = kClasses;
  set.signals.dim = kDim;
  for (int64_t i = 0; i < images; ++i) {
    set.keys.push_back(first_key + i);
    for (int64_t j = 0; j < kDim; ++j) {
      set.signals.embeddings.push_back(static_cast<float>(random.Uniform()));
    }
    for (int64_t c = 0; c < kClasses; ++c) {
      set.signals.expected_objects.push_back(static_cast<float>(random.Uniform()));
      set.signals.uncertainty.push_back(static_cast<float>(random.Uniform()));
    }
    set.signals.disagreement.push_back(static_cast<float>(random.Uniform()));
  }
  return set;
}

CycleImages MakeImages() {
  CycleImages images;
  images.candidates = MakeSet(40, 1, 1);
  images.newly_labeled = MakeSet(12, 100, 2);
  const ImageSet labeled = MakeSet(16, 96, 3);  // 100 .. 111 are the newly labeled ones
  images.labeled_keys = labeled.keys;
  images.labeled_embeddings = labeled.signals.embeddings;
  images.labeled_objects = {20, 5};
  images.class_ap = {0.5, 0.3};
  return images;
}

// Every probe helps both classes a little, by an amount that follows from its place in the plan.
ProbeEvidence Measure(const CycleImages& images, const ProbePlan& plan) {
  ProbeEvidence evidence{images, plan, {}, {}};
  for (size_t i = 0; i < plan.probes.size(); ++i) {
    const double gain = plan.probes[i].control ? 0 : 0.01 + 0.002 * static_cast<double>(i % 5);
    evidence.class_ap50.push_back({0.5 + gain, 0.3 + gain / 2});
  }
  return evidence;
}

TEST(PlanProbesTest, EveryProbeHasAControlBeforeIt) {
  const ProbePlan plan = PlanProbes(MakeImages(), 8, 12, 5, 7);
  int64_t controls = 0, semi_supervised = 0, replays = 0;
  std::set<std::pair<bool, uint64_t>> controlled;
  for (const Probe& probe : plan.probes) {
    if (probe.control) {
      ++controls;
      EXPECT_TRUE(probe.keys.empty());
      controlled.insert({probe.replay, probe.seed});
      continue;
    }
    ++(probe.replay ? replays : semi_supervised);
    EXPECT_EQ(controlled.count({probe.replay, probe.seed}), 1u);
    EXPECT_EQ(probe.keys.size(), 5u);
    for (int64_t key : probe.keys) EXPECT_EQ(key >= 100, probe.replay) << key;
  }
  EXPECT_EQ(controls, 4);
  EXPECT_EQ(semi_supervised, 8);
  EXPECT_EQ(replays, 12);  // six batches, twice each
}

TEST(PlanProbesTest, FewProbesShareOneSeedAndFewNewlyLabeledImagesAreNotReplayed) {
  CycleImages images = MakeImages();
  EXPECT_EQ(PlanProbes(images, 2, 4, 5, 7).probes.size(), 2u + 1 + 4 + 1);
  images.newly_labeled = MakeSet(5, 100, 2);
  EXPECT_EQ(PlanProbes(images, 2, 4, 5, 7).probes.size(), 2u + 1);
  EXPECT_TRUE(PlanProbes(images, 0, 0, 5, 7).probes.empty());
  images = MakeImages();
  images.candidates = MakeSet(0, 1, 1);
  EXPECT_TRUE(PlanProbes(images, 2, 0, 5, 7).probes.empty());
}

TEST(DescribeEarlierTest, TakesSignalsOfThenAndEmbeddingsOfNow) {
  const CycleImages images = MakeImages();
  const EarlierImages earlier = DescribeEarlier(images, MakeSet(20, 100, 9));
  EXPECT_EQ(earlier.keys.size(), 12u) << "the others are not labeled";
  EXPECT_EQ(earlier.embeddings.size(), 12u * kDim);
  EXPECT_EQ(earlier.embeddings[0], images.labeled_embeddings[4 * kDim]);
  EXPECT_EQ(earlier.features.At(0, 1)[kUncertainty], MakeSet(20, 100, 9).signals.uncertainty[1]);
}

TEST(FitTableFromProbesTest, TruthMovesTheTableAndRepeatsGiveACeiling) {
  const CycleImages images = MakeImages();
  const ProbePlan plan = PlanProbes(images, 8, 12, 5, 7);
  ProbeEvidence evidence = Measure(images, plan);
  const LookupTable table = FitTableFromProbes(evidence);
  CheckTable(table);
  EXPECT_EQ(table.images, 40);
  EXPECT_EQ(table.fidelity.truth_batches, 6);
  EXPECT_EQ(table.fidelity.response_batches, 8);
  EXPECT_EQ(FitTableFromProbes(evidence).Serialize(), table.Serialize());
  ProbeEvidence none{images, {plan.clustering, {}}, {}, {}};
  const LookupTable prior = FitTableFromProbes(none);
  EXPECT_NE(prior.cell_gain, table.cell_gain);
  // A realized batch is truth, too; images that are not labeled now say nothing.
  none.realized = {{MakeSet(8, 100, 5), {0.05, 0.02}}};
  EXPECT_NE(FitTableFromProbes(none).cell_gain, prior.cell_gain);
  none.realized = {{MakeSet(8, 500, 5), {0.05, 0.02}}};
  EXPECT_EQ(FitTableFromProbes(none).Serialize(), prior.Serialize());
}

TEST(FitTableFromProbesTest, AClassThatWasNotMeasuredStaysAtItsPrior) {
  const CycleImages images = MakeImages();
  const ProbePlan plan = PlanProbes(images, 0, 8, 5, 7);
  ProbeEvidence evidence = Measure(images, plan);
  for (std::vector<double>& ap : evidence.class_ap50) ap[1] = std::nan("");
  const LookupTable table = FitTableFromProbes(evidence);
  CheckTable(table);
  EXPECT_EQ(table.fidelity.truth_batches, 8);
}

TEST(FitTableFromProbesTest, RefusesWhatDoesNotFitTogether) {
  const CycleImages images = MakeImages();
  ProbeEvidence evidence = Measure(images, PlanProbes(images, 4, 0, 5, 7));
  evidence.realized = {{MakeSet(8, 100, 5), {0.05}}};
  EXPECT_THROW(FitTableFromProbes(evidence), std::invalid_argument);
  evidence.realized.clear();
  evidence.class_ap50.pop_back();
  EXPECT_THROW(FitTableFromProbes(evidence), std::invalid_argument);
}

}  // namespace
}  // namespace mgral::core
