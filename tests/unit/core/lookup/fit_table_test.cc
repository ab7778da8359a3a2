#include "server/core/lookup/fit_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/core/lookup/fidelity.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

const std::vector<double> kPlanted = {0.9, 0.1, 0.05, 0.1, 0.0};

void AddProbes(PlantedPool* pool, const LookupTable& truth, int probes, double noise,
               ObservationKind kind, uint64_t seed) {
  RandomStream random(seed);
  const auto plan = PlanSemiSupervised(pool->input.clustering.cells,
                                       pool->input.clustering.assignment, probes, 12, seed);
  for (const auto& batch : plan) {
    pool->input.observations.push_back(pool->Measure(truth, batch, noise, kind, &random));
  }
}

TEST(FitTableTest, WithoutEvidenceIsThePrior) {
  PlantedPool pool(60, 3, 5, 2);
  const LookupTable table = FitTable(pool.input);
  CheckTable(table);
  for (int64_t c = 0; c < 3; ++c) {
    for (int f = 0; f < kNumFeatures; ++f) {
      EXPECT_DOUBLE_EQ(table.weights[c * kNumFeatures + f], prior::kWeight[f]);
    }
  }
  for (float gain : table.cell_gain) EXPECT_GT(gain, 0);
  EXPECT_GT(EstimateGain(table, {0, 1, 2, 3}).standard_error, 0);
  EXPECT_TRUE(std::isnan(table.fidelity.fidelity));
  EXPECT_TRUE(std::isnan(table.fidelity.response_fidelity));
}

TEST(FitTableTest, RecoversAPlantedGainFromNoisyProbes) {
  for (uint64_t seed : {3, 4, 5}) {
    PlantedPool pool(160, 3, 8, seed);
    const LookupTable truth = pool.Plant(kPlanted, 0.8, seed);
    const double spread = EstimateGain(truth, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}).gain;
    AddProbes(&pool, truth, 48, 0.15 * spread, ObservationKind::kReplay, seed + 10);
    const LookupTable table = FitTable(pool.input);
    const GainPairs pairs = CompareOnBatches(truth, table, 12, 60, 77);
    EXPECT_GT(RankCorrelation(pairs.truth, pairs.estimate), 0.93) << seed;
    EXPECT_GT(table.fidelity.fidelity, 0.7) << seed;
    EXPECT_EQ(table.fidelity.truth_batches, 48);
    std::vector<double> planted(truth.cell_gain.begin(), truth.cell_gain.end());
    std::vector<double> found(table.cell_gain.begin(), table.cell_gain.end());
    EXPECT_GT(RankCorrelation(planted, found), 0.85) << seed;
    double error = 0, square = 0;
    for (size_t i = 0; i < planted.size(); ++i) {
      error += std::pow(planted[i] - found[i], 2);
      square += planted[i] * planted[i];
    }
    EXPECT_LT(std::sqrt(error / square), 0.35) << seed;
  }
}

TEST(FitTableTest, PureNoiseLeavesThePrior) {
  for (uint64_t seed : {1, 2, 3, 4}) {
    PlantedPool pool(120, 3, 8, seed);
    const LookupTable prior_table = FitTable(pool.input);
    RandomStream random(seed);
    const auto plan = PlanSemiSupervised(pool.input.clustering.cells,
                                         pool.input.clustering.assignment, 24, 12, seed);
    for (const auto& batch : plan) {
      Observation observation =
          pool.Measure(prior_table, batch, 0.0, ObservationKind::kReplay, &random);
      for (double& value : observation.response) value = 0.03 + 0.05 * random.Normal();
      observation.variance.clear();  // nobody says how noisy it is
      pool.input.observations.push_back(observation);
    }
    const LookupTable table = FitTable(pool.input);
    EXPECT_TRUE(table.pairs.empty());
    const GainPairs pairs = CompareOnBatches(prior_table, table, 12, 60, 5);
    EXPECT_GT(RankCorrelation(pairs.truth, pairs.estimate), 0.85) << seed;
    double ratio = 0;
    for (size_t i = 0; i < pairs.truth.size(); ++i) {
      ratio += pairs.estimate[i] / pairs.truth[i] / static_cast<double>(pairs.truth.size());
    }
    EXPECT_GT(ratio, 0.3) << seed;
    EXPECT_LT(ratio, 3.0) << seed;
  }
}

TEST(FitTableTest, StandardErrorsCoverTheTruth) {
  int inside = 0, all = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    PlantedPool pool(120, 3, 8, seed);
    // The truth is drawn from the prior itself.
    const LookupTable truth = Draw(FitTable(pool.input), seed);
    AddProbes(&pool, truth, 18, 0.01, ObservationKind::kReplay, seed + 20);
    const LookupTable table = FitTable(pool.input);
    const GainPairs pairs = CompareOnBatches(truth, table, 12, 30, seed + 40);
    for (size_t i = 0; i < pairs.truth.size(); ++i) {
      inside += std::fabs(pairs.truth[i] - pairs.estimate[i]) < 1.645 * pairs.error[i] ? 1 : 0;
      ++all;
    }
  }
  const double coverage = static_cast<double>(inside) / all;  // nominal: 0.90
  EXPECT_GT(coverage, 0.78);
  EXPECT_LT(coverage, 0.985);
}

TEST(FitTableTest, EvidenceShrinksTheErrors) {
  PlantedPool pool(120, 3, 8, 9);
  const LookupTable before = FitTable(pool.input);
  const LookupTable truth = Draw(before, 9);
  AddProbes(&pool, truth, 30, 0.005, ObservationKind::kReplay, 9);
  const LookupTable after = FitTable(pool.input);
  const std::vector<int64_t> batch = {0, 9, 18, 27, 36, 45};
  EXPECT_LT(EstimateGain(after, batch).standard_error,
            0.7 * EstimateGain(before, batch).standard_error);
}

TEST(FitTableTest, FindsAPlantedPairAndNoOther) {
  PlantedPool pool(160, 2, 6, 6);
  LookupTable truth = pool.Plant(kPlanted, 0.2, 6);
  truth.pairs = {{1, 4}};
  truth.pair_gain = {static_cast<float>(12 * truth.unit[0]),
                     static_cast<float>(12 * truth.unit[1])};
  AddProbes(&pool, truth, 60, 0.1 * 12 * truth.unit[0], ObservationKind::kReplay, 6);
  const LookupTable table = FitTable(pool.input);
  ASSERT_EQ(table.pairs.size(), 1u);
  EXPECT_EQ(table.pairs[0].k, 1);
  EXPECT_EQ(table.pairs[0].l, 4);
  EXPECT_NEAR(table.pair_gain[0], truth.pair_gain[0], 0.5 * truth.pair_gain[0]);
}

TEST(FitTableTest, SemiSupervisedResponsesNeverEnterTheTable) {
  PlantedPool pool(120, 2, 6, 8);
  const LookupTable before = FitTable(pool.input);
  AddProbes(&pool, pool.Plant(kPlanted, 2.0, 8), 24, 0.002, ObservationKind::kSemiSupervised, 8);
  const LookupTable after = FitTable(pool.input);
  EXPECT_EQ(before.cell_gain, after.cell_gain);
  EXPECT_EQ(before.image_gain, after.image_gain);
  EXPECT_TRUE(std::isnan(after.fidelity.fidelity));
  EXPECT_EQ(after.fidelity.response_batches, 24);
  EXPECT_GT(after.fidelity.response_fidelity, 0.5);
  double most = 0;
  for (int64_t kc = 0; kc < 12; ++kc) {
    most = std::max(most, std::fabs(after.cell_features[kc * kNumFeatures + kResponse]));
  }
  EXPECT_GT(most, 0.1);
}

TEST(FitTableTest, ResponseTakesASignFromTheTruth) {
  // The truth is minus what the semi-supervised probes say: its weight has to become negative.
  PlantedPool pool(160, 2, 8, 12);
  AddProbes(&pool, pool.Plant({0, 0, 0, 0, 0}, 6.0, 3), 40, 0.001, ObservationKind::kSemiSupervised,
            12);
  const LookupTable with_response = FitTable(pool.input);
  PlantedPool described = pool;
  LookupTable truth = with_response;
  for (int64_t kc = 0; kc < 16; ++kc) {
    truth.cell_gain[kc] -= static_cast<float>(0.8 * truth.unit[kc % 2] *
                                              truth.cell_features[kc * kNumFeatures + kResponse]);
  }
  truth.factor.clear();
  AddProbes(&pool, truth, 30, 0.003, ObservationKind::kReplay, 13);
  const LookupTable table = FitTable(pool.input);
  EXPECT_LT(table.weights[kResponse], -0.2);
  EXPECT_LT(table.weights[kNumFeatures + kResponse], -0.2);
}

TEST(FitTableTest, DriftOfRealizedGainsIsNotBlamedOnTheImages) {
  PlantedPool pool(120, 2, 6, 14);
  const LookupTable truth = FitTable(pool.input);
  RandomStream random(14);
  const auto plan =
      PlanSemiSupervised(pool.input.clustering.cells, pool.input.clustering.assignment, 8, 12, 14);
  for (const auto& batch : plan) {
    Observation observation =
        pool.Measure(truth, batch, 0.004, ObservationKind::kRealized, &random);
    for (double& value : observation.response) value -= 0.05;  // the cycles got worse by themselves
    pool.input.observations.push_back(observation);
  }
  const LookupTable table = FitTable(pool.input);
  const GainPairs pairs = CompareOnBatches(truth, table, 12, 30, 5);
  EXPECT_GT(RankCorrelation(pairs.truth, pairs.estimate), 0.8);
  EXPECT_EQ(table.fidelity.truth_batches, 8);
  double mean = 0;
  for (double gain : pairs.estimate) mean += gain / 30;
  EXPECT_GT(mean, 0);
}

TEST(FitTableTest, RepeatsGiveTheCeiling) {
  PlantedPool pool(120, 2, 6, 15);
  const LookupTable truth = pool.Plant(kPlanted, 1.0, 15);
  RandomStream random(15);
  const auto plan =
      PlanSemiSupervised(pool.input.clustering.cells, pool.input.clustering.assignment, 12, 12, 15);
  for (int64_t b = 0; b < 12; ++b) {
    for (int repeat = 0; repeat < 2; ++repeat) {
      Observation observation =
          pool.Measure(truth, plan[b], 0.004, ObservationKind::kReplay, &random);
      observation.batch_id = b;
      observation.variance.clear();
      pool.input.observations.push_back(observation);
    }
  }
  const LookupTable table = FitTable(pool.input);
  EXPECT_EQ(table.fidelity.truth_batches, 12);
  EXPECT_GT(table.fidelity.ceiling, 0.6);
  EXPECT_LE(table.fidelity.ceiling, 1.0);
  EXPECT_GT(table.fidelity.truth_spread, 0);
}

TEST(FitTableTest, AClassThatCouldNotBeMeasuredIsLeftOut) {
  PlantedPool pool(120, 2, 6, 16);
  const LookupTable truth = pool.Plant(kPlanted, 1.0, 16);
  AddProbes(&pool, truth, 12, 0.004, ObservationKind::kReplay, 16);
  PlantedPool other = pool;
  for (size_t o = 0; o < pool.input.observations.size(); ++o) {
    pool.input.observations[o].variance[1] = std::numeric_limits<double>::infinity();
    other.input.observations[o].variance[1] = std::numeric_limits<double>::infinity();
    other.input.observations[o].response[1] = 0.9;  // may be anything
  }
  const LookupTable a = FitTable(pool.input), b = FitTable(other.input);
  EXPECT_EQ(a.cell_gain, b.cell_gain);
  EXPECT_EQ(a.factor, b.factor);
}

TEST(FitTableTest, SameInputSameBytes) {
  PlantedPool pool(100, 3, 6, 17);
  AddProbes(&pool, pool.Plant(kPlanted, 1.0, 17), 12, 0.01, ObservationKind::kReplay, 17);
  AddProbes(&pool, pool.Plant(kPlanted, 1.0, 18), 12, 0.01, ObservationKind::kSemiSupervised, 17);
  EXPECT_EQ(FitTable(pool.input).Serialize(), FitTable(pool.input).Serialize());
}

TEST(FitTableTest, NoImagesOneCellOneClass) {
  TableInput empty;
  empty.candidates.classes = 2;
  empty.candidates.dim = 4;
  empty.clustering = ClusterCells({}, 0, 4, 0, 1);
  empty.labeled_objects = {1, 2};
  empty.class_ap = {0.1, 1.0};
  const LookupTable none = FitTable(empty);
  EXPECT_EQ(none.images, 0);
  EXPECT_EQ(EstimateGain(none, {}).gain, 0);
  CheckTable(LookupTable::Parse(none.Serialize()));

  PlantedPool pool(5, 1, 1, 3);
  EXPECT_EQ(pool.input.clustering.cells.count, 1);
  pool.input.class_ap = {1.0};
  const LookupTable one = FitTable(pool.input);
  const Estimate estimate = EstimateGain(one, {0, 1, 2, 3, 4});
  EXPECT_TRUE(std::isfinite(estimate.gain));
  EXPECT_LE(estimate.gain, 0.0011);  // AP cannot pass 1
}

}  // namespace
}  // namespace mgral::core
