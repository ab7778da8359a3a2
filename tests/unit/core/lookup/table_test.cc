#include "server/core/lookup/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

LookupTable SmallTable(uint64_t seed = 1) {
  const PlantedPool pool(40, 2, 4, seed);
  return FitTable(DescribePool(pool.input), pool.Probes(4, 6, {0.3, 0.3}, 0.05, seed));
}

TEST(TableTest, RefusesCutBytes) {
  const std::string bytes = SmallTable().Serialize();
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 20) {
    EXPECT_THROW(LookupTable::Parse(bytes.substr(0, length)), std::invalid_argument) << length;
  }
  EXPECT_THROW(LookupTable::Parse(bytes + "x"), std::invalid_argument);
}

TEST(TableTest, AnotherReleasesTableIsToldFromBrokenOnes) {
  std::string bytes = SmallTable().Serialize();
  bytes[4] = 1;  // the version
  EXPECT_THROW(LookupTable::Parse(bytes), OtherRelease);
  EXPECT_THROW(LookupTable::Parse(bytes.substr(0, 40)), OtherRelease);
}

TEST(TableTest, HostileBytesThrowAndNeverCrash) {
  const std::string bytes = SmallTable().Serialize();
  RandomStream random(5);
  int refused = 0;
  for (int attempt = 0; attempt < 3000; ++attempt) {
    std::string changed = bytes;
    const int changes = 1 + static_cast<int>(random.Below(4));
    for (int i = 0; i < changes; ++i) {
      // Mostly in the head, where the sizes are.
      const int64_t at = random.Below(attempt % 2 == 0 ? 120 : static_cast<int64_t>(bytes.size()));
      changed[at] = static_cast<char>(random.Below(256));
    }
    try {
      const LookupTable table = LookupTable::Parse(changed);
      EXPECT_TRUE(std::isfinite(EstimateGain(table, {0, 1, 2}).gain));
      EXPECT_TRUE(std::isfinite(GainEvaluator(table).Gain({0, 3, 5})));
    } catch (const std::invalid_argument&) {
      ++refused;
    } catch (const std::out_of_range&) {
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(TableTest, RoundTripIsExact) {
  const LookupTable table = SmallTable();
  const std::string bytes = table.Serialize();
  const LookupTable parsed = LookupTable::Parse(bytes);
  EXPECT_EQ(parsed.Serialize(), bytes);
  const std::vector<int64_t> batch = {1, 4, 17, 22};
  EXPECT_EQ(EstimateGain(parsed, batch).gain, EstimateGain(table, batch).gain);
  EXPECT_EQ(EstimateGain(parsed, batch).standard_error, EstimateGain(table, batch).standard_error);
}

template <typename Change>
void ExpectRefused(Change change) {
  LookupTable table = SmallTable();
  CheckTable(table);
  change(&table);
  EXPECT_THROW(CheckTable(table), std::invalid_argument);
}

TEST(TableTest, CheckRefusesInconsistentArrays) {
  const double nan = std::nan("");
  ExpectRefused([](LookupTable* t) { t->weights[1] = -0.1; });
  ExpectRefused([](LookupTable* t) { t->weights.pop_back(); });
  ExpectRefused([&](LookupTable* t) { t->missed[1] = std::nanf(""); });
  ExpectRefused([](LookupTable* t) { t->missed[1] = -1; });
  ExpectRefused([](LookupTable* t) { t->labeled[0] = -1; });
  ExpectRefused([](LookupTable* t) { t->covered.pop_back(); });
  ExpectRefused([](LookupTable* t) { t->cell_share[0] = 1.5; });
  ExpectRefused([](LookupTable* t) { t->reach[0] = 1.5f; });
  ExpectRefused([](LookupTable* t) { t->reach.pop_back(); });
  ExpectRefused([](LookupTable* t) { t->coupling.pop_back(); });
  ExpectRefused([&](LookupTable* t) { t->class_covariance[0] = nan; });
  ExpectRefused([](LookupTable* t) { t->shared_covariance.clear(); });
  ExpectRefused([](LookupTable* t) { t->shared_weights.pop_back(); });
  ExpectRefused([](LookupTable* t) { t->labeled_images = -1; });
  ExpectRefused([&](LookupTable* t) { t->level = nan; });
  ExpectRefused([](LookupTable* t) { t->random_gain.pop_back(); });
  ExpectRefused([&](LookupTable* t) { t->kappa = nan; });
  ExpectRefused([](LookupTable* t) { t->kappa = 0; });
  ExpectRefused([&](LookupTable* t) { t->residual_share = nan; });
  ExpectRefused([](LookupTable* t) { t->group_of[0] = t->groups; });
  ExpectRefused([](LookupTable* t) { t->cell_of[0] = -1; });
}

TEST(TableTest, UnknownImagesAreRefused) {
  const LookupTable table = SmallTable();
  EXPECT_THROW(EstimateGain(table, {40}), std::out_of_range);
  EXPECT_THROW(EstimateGain(table, {-1}), std::out_of_range);
  EXPECT_THROW(GainEvaluator(table).Gain({40}), std::out_of_range);
}

TEST(TableTest, GainByHand) {
  LookupTable table;
  table.images = 2;
  table.classes = 2;
  table.cells.count = 2;
  table.cell_of = {0, 1};
  table.group_of = {0, 1};
  table.groups = 2;
  table.missed = {2, 0, 1, 3};
  table.labeled = {4, 1};
  table.reach = {1, 0.25f, 0.5f, 1};
  table.covered = {0.75f, 0.5f};
  table.cell_share = {0.75, 0, 0.25, 1};
  table.class_ap = {0.5, 0};  // the second is unknown: taken as 0.05
  SetPrior(&table);
  table.weights = {0.5, 0.2, 0.5, 0.2};
  table.kappa = 0.4;
  const double first = 0.4 * 0.5 * (0.5 * std::log(8.0 / 5) + 0.2 * (0.75 * 0.25 + 0.25 * 0.5));
  const double second = 0.4 * std::sqrt(0.05 * 0.95) * (0.5 * std::log(5.0 / 2) + 0.2 * 0.5);
  const Estimate estimate = EstimateGain(table, {0, 1});
  EXPECT_NEAR(estimate.class_gain[0], first, 1e-12);
  EXPECT_NEAR(estimate.class_gain[1], second, 1e-12);
  EXPECT_NEAR(estimate.gain, (first + second) / 2, 1e-12);
  const std::vector<float> alone = GainsAlone(table);
  for (int64_t i = 0; i < 2; ++i) {
    const Estimate of_image = EstimateGain(table, {i});
    for (int64_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(alone[i * 2 + c], of_image.class_gain[c], 1e-6);
    }
  }
}

TEST(TableTest, EveryWayOfReadingAGainAgrees) {
  const LookupTable table = SmallTable();
  RandomStream random(3);
  GainEvaluator evaluator(table);
  BatchState state(table);
  for (int attempt = 0; attempt < 50; ++attempt) {
    state.Clear();
    std::vector<int64_t> batch;
    for (int64_t i = 0; i < 12; ++i) {
      const int64_t image = random.Below(40);
      const double before = state.Gain(), marginal = state.Marginal(image);
      state.Add(image);
      batch.push_back(image);
      EXPECT_NEAR(state.Gain() - before, marginal, 1e-12);
    }
    const double gain = EstimateGain(table, batch).gain;
    EXPECT_NEAR(state.Gain(), gain, 1e-9);
    EXPECT_NEAR(evaluator.Gain(batch), gain, 1e-6);
    while (batch.size() > 3) {
      state.Remove(batch.back());
      batch.pop_back();
    }
    // A copy earlier in the batch may have been removed with its last mention.
    std::vector<int64_t> left;
    for (int64_t image : batch) {
      if (state.Taken(image)) left.push_back(image);
    }
    EXPECT_NEAR(state.Gain(), EstimateGain(table, left).gain, 1e-9);
  }
}

TEST(TableTest, AGroupIsTakenOutAsItWasPutInWhateverItsRows) {
  LookupTable table = SmallTable();
  table.group_of[2] = table.group_of[1];  // but not with the same rows
  const BatchState empty(table);
  BatchState state = empty;
  for (const int64_t image : {9, 1, 2}) state.Add(image);
  for (const int64_t image : {1, 2, 9}) state.Remove(image);
  EXPECT_NEAR(state.Gain(), 0, 1e-12);
  for (const int64_t image : {1, 2, 9, 22}) {
    EXPECT_NEAR(state.Marginal(image), empty.Marginal(image), 1e-12);
  }
}

TEST(TableTest, SlopesAreDerivatives) {
  LookupTable table = SmallTable();
  BatchState state(table);
  for (const int64_t image : {1, 9, 22}) state.Add(image);
  const double step = 1e-3;
  const std::vector<double> all = state.ClassSlopes();
  const std::vector<double> slopes = state.ObjectSlopes();
  const std::vector<float> nowhere(table.cells.count, 0.0f);
  for (int64_t c = 0; c < 2; ++c) {
    std::vector<float> more(2, 0.0f);
    more[c] = static_cast<float>(step);
    EXPECT_NEAR(state.GainOf(more.data(), nowhere.data()) / step, slopes[c], 1e-2 * slopes[c]);
    EXPECT_DOUBLE_EQ(all[c] / 2, slopes[c]);
  }
}

TEST(TableTest, MonotoneAndSubmodular) {
  const LookupTable table = SmallTable(2);
  RandomStream random(4);
  BatchState small(table), large(table);
  for (int attempt = 0; attempt < 15; ++attempt) {
    const int64_t image = random.Below(40);
    large.Add(image);
    if (attempt % 3 == 0) small.Add(image);
    for (int64_t i = 0; i < 40; ++i) {
      EXPECT_GE(large.Marginal(i), 0);
      if (!large.GroupTaken(i)) {
        EXPECT_LE(large.Marginal(i), small.Marginal(i) + 1e-15);
      }
    }
  }
}

TEST(TableTest, NearDuplicatesAddNothing) {
  TableInput input;
  ImageSignals& signals = input.candidates;
  signals.images = 12;
  signals.classes = 1;
  signals.dim = 2;
  for (int i = 0; i < 12; ++i) {
    const bool copy = i >= 8;  // the last four are copies of image 0
    signals.embeddings.push_back(copy ? 1.0f + 0.001f * i : static_cast<float>(i + 1));
    signals.embeddings.push_back(copy ? 0.5f : static_cast<float>(0.5 + i * i % 5));
    signals.expected_objects.push_back(copy ? 9.0f : 1.0f);
  }
  input.clustering = ClusterCells(signals.embeddings, 12, 2, 3, 1);
  input.class_ap = {0.3};
  const LookupTable table = FitTable(DescribePool(input));
  const double one = EstimateGain(table, {8}).gain;
  EXPECT_DOUBLE_EQ(EstimateGain(table, {8, 9, 10, 11}).gain, one);
  EXPECT_DOUBLE_EQ(EstimateGain(table, {0, 11}).gain, one);
  EXPECT_GT(EstimateGain(table, {8, 5}).gain, one);
}

TEST(TableTest, DrawsHaveTheSpreadOfTheErrors) {
  const PlantedPool pool(60, 2, 4, 3);
  LookupTable table = FitTable(DescribePool(pool.input), pool.Probes(8, 12, {1, 0.5}, 0.02, 3));
  table.residual_share = 0;            // of the batch, not of the table
  table.kappa_sd = 0.2 * table.kappa;  // so that draws seldom meet its bound
  const std::vector<int64_t> batch = {0, 1, 7, 14};
  const Estimate estimate = EstimateGain(table, batch);
  double sum = 0, square = 0;
  const int draws = 2000;
  for (int d = 0; d < draws; ++d) {
    const LookupTable drawn = Draw(table, 100 + d);
    CheckTable(drawn);
    const double gain = EstimateGain(drawn, batch).gain;
    sum += gain / draws;
    square += gain * gain / draws;
  }
  EXPECT_NEAR(sum, estimate.gain, 0.05 * estimate.gain);
  EXPECT_NEAR(std::sqrt(square - sum * sum), estimate.standard_error,
              0.15 * estimate.standard_error);
  EXPECT_EQ(Draw(table, 7).Serialize(), Draw(table, 7).Serialize());
  EXPECT_NE(Draw(table, 7).weights, Draw(table, 8).weights);
  EXPECT_EQ(Draw(table, 7, 0.0).weights, table.weights);
}

TEST(TableTest, AHandMadeTableHasTheErrorsOfItsShares) {
  LookupTable table = Draw(SmallTable(), 1, 0.0);
  EXPECT_EQ(EstimateGain(table, {1, 2}).standard_error, 0);
  table.residual_share = 0.3;
  table.kappa_sd = 0.4 * table.kappa;
  const Estimate estimate = EstimateGain(table, {1, 2});
  EXPECT_NEAR(estimate.standard_error, 0.5 * estimate.gain, 1e-12);
  EXPECT_NEAR(estimate.class_error[1], 0.5 * estimate.class_gain[1], 1e-12);
}

}  // namespace
}  // namespace mgral::core
