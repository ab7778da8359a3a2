#include "server/core/lookup/table.h"

#include <gtest/gtest.h>

#include <cstring>

#include "server/core/lookup/batch_state.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

LookupTable SmallTable(uint64_t seed = 1) {
  PlantedPool pool(40, 2, 4, seed);
  RandomStream random(seed);
  const LookupTable truth = pool.Plant({0.5, 0.2, 0.1, 0.2, 0.0}, 1.0, seed);
  for (int64_t i = 0; i < 6; ++i) {
    pool.input.observations.push_back(
        pool.Measure(truth, {i, i + 5, i + 11}, 0.01, ObservationKind::kReplay, &random));
  }
  LookupTable table = FitTable(pool.input);
  table.pairs = {{0, 2}, {1, 3}};
  table.pair_gain = {0.01f, -0.02f, 0.03f, 0.0f};
  const int64_t size = table.Dimension();
  table.factor.assign(2 * size * (size + 1) / 2, 0.001f);
  table.coupling.assign(2 * size * kNumFeatures, 0.1f);
  CheckTable(table);
  return table;
}

TEST(TableTest, RefusesCutBytes) {
  const std::string bytes = SmallTable().Serialize();
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 20) {
    EXPECT_THROW(LookupTable::Parse(bytes.substr(0, length)), std::invalid_argument) << length;
  }
  EXPECT_THROW(LookupTable::Parse(bytes + "x"), std::invalid_argument);
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
      EstimateGain(table, {0, 1, 2});
      GainEvaluator(table).Gain({0, 3, 5});
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

TEST(TableTest, CheckRefusesInconsistentArrays) {
  LookupTable table = SmallTable();
  table.rho[0] = 1.0;
  EXPECT_THROW(CheckTable(table), std::invalid_argument);
  table = SmallTable();
  table.pairs[0] = {2, 2};
  EXPECT_THROW(CheckTable(table), std::invalid_argument);
  table = SmallTable();
  table.cell_gain[1] = std::nanf("");
  EXPECT_THROW(CheckTable(table), std::invalid_argument);
  table = SmallTable();
  table.coupling.pop_back();
  EXPECT_THROW(CheckTable(table), std::invalid_argument);
}

TEST(TableTest, UnknownImagesAreRefused) {
  const LookupTable table = SmallTable();
  EXPECT_THROW(EstimateGain(table, {40}), std::out_of_range);
  EXPECT_THROW(EstimateGain(table, {-1}), std::out_of_range);
  EXPECT_THROW(GainEvaluator(table).Gain({40}), std::out_of_range);
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

TEST(TableTest, NearDuplicatesAddNothing) {
  ImageSignals signals;
  signals.images = 12;
  signals.classes = 1;
  signals.dim = 2;
  RandomStream random(1);
  for (int i = 0; i < 12; ++i) {
    const bool copy = i >= 8;  // the last four are copies of image 0
    signals.embeddings.push_back(copy ? 1.0f + 0.001f * i : static_cast<float>(i + 1));
    signals.embeddings.push_back(copy ? 0.5f : static_cast<float>(0.5 + i * i % 5));
    signals.expected_objects.push_back(copy ? 9.0f : 1.0f);
    signals.uncertainty.push_back(copy ? 9.0f : 1.0f);
  }
  TableInput input;
  input.candidates = signals;
  input.clustering = ClusterCells(signals.embeddings, 12, 2, 3, 1);
  input.labeled_objects = {10};
  input.class_ap = {0.3};
  const LookupTable table = FitTable(input);
  const double one = EstimateGain(table, {8}).gain;
  EXPECT_DOUBLE_EQ(EstimateGain(table, {8, 9, 10, 11}).gain, one);
  EXPECT_DOUBLE_EQ(EstimateGain(table, {0, 11}).gain, one);
  EXPECT_GT(EstimateGain(table, {8, 5}).gain, one);
}

TEST(TableTest, DrawsHaveTheSpreadOfTheErrors) {
  PlantedPool pool(60, 2, 4, 3);
  const LookupTable table = FitTable(pool.input);
  const std::vector<int64_t> batch = {0, 1, 7, 14};
  const Estimate estimate = EstimateGain(table, batch);
  double sum = 0, square = 0;
  const int draws = 400;
  for (int d = 0; d < draws; ++d) {
    const LookupTable drawn = Draw(table, 100 + d);
    CheckTable(drawn);
    const double gain = EstimateGain(drawn, batch).gain;
    sum += gain / draws;
    square += gain * gain / draws;
  }
  EXPECT_NEAR(sum, estimate.gain, 0.2 * estimate.standard_error + 0.05 * estimate.gain);
  EXPECT_NEAR(std::sqrt(square - sum * sum), estimate.standard_error,
              0.25 * estimate.standard_error);
  EXPECT_EQ(Draw(table, 7).Serialize(), Draw(table, 7).Serialize());
  EXPECT_NE(Draw(table, 7).cell_gain, Draw(table, 8).cell_gain);
  EXPECT_EQ(Draw(table, 7, 0.0).cell_gain, table.cell_gain);
}

TEST(TableTest, ImagesThatArriveLaterAreRankedByTheSameEntries) {
  PlantedPool pool(60, 2, 4, 4);
  const LookupTable table = FitTable(pool.input);
  const LookupTable more = WithImages(table, pool.input.candidates);
  CheckTable(more);
  ASSERT_EQ(more.images, 120);
  for (int64_t i = 0; i < 60; ++i) {
    EXPECT_EQ(more.cell_of[60 + i], table.cell_of[i]);
    EXPECT_NEAR(EstimateGain(more, {60 + i}).gain, EstimateGain(table, {i}).gain, 1e-9);
  }
  ImageSignals wrong = pool.input.candidates;
  wrong.classes = 1;
  EXPECT_THROW(WithImages(table, wrong), std::invalid_argument);
}

TEST(TableTest, ClassGainNeverPassesOne) {
  EXPECT_LE(Saturate(100.0, 0.2), 0.2);
  EXPECT_DOUBLE_EQ(Saturate(-0.3, 0.2), -0.3);
  EXPECT_NEAR(Saturate(1e-6, 0.5), 1e-6, 1e-11);
  EXPECT_DOUBLE_EQ(SaturateSlope(-1, 0.1), 1.0);
}

}  // namespace
}  // namespace mgral::core
