#include "client/cpp/fidelity/fidelity_summary.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/synth/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

// Batch i has i + 5 images, an estimate of i points and a real gain of 2 i points, the same in
// both halves but for a point of luck.
FidelityResults Made(int batches, int seeds, double luck = 0.01) {
  FidelityResults results;
  results.dataset = "made <up>";
  results.classes = {"cat", "dog"};
  results.protocol = {{"also_profile", ""}, {"batches", batches}};
  SeededRandom random(3);
  const auto training = [&](double map50) {
    Training made;
    for (size_t part = 0; part < kTestParts; ++part) {
      made.map50[part] = map50 + (part == kAllTest ? 0 : luck * random.Uniform(-1, 1));
      made.class_ap50[part] = {map50, std::nullopt};
    }
    return made;
  };
  for (int i = 0; i < batches; ++i) {
    TrialBatch& batch = results.batches.emplace_back();
    batch.kind = i % 3 == 0 ? "selected" : "crowded";
    batch.of = i % 3 == 0 ? "mgral" : "";
    for (int k = 0; k < i + 5; ++k) batch.images.push_back("image" + std::to_string(k));
    batch.boxes = 100 - i;
    batch.estimate = {0.01 * i, 0.002};
    batch.classes = {{0.01 * i, 0.002}, {0, 0.002}};
  }
  for (int seed = 1; seed <= seeds; ++seed) {
    for (int i = -1; i < batches; ++i) {
      results.trainings[{"", seed, i}] = training(i < 0 ? 0.2 : 0.2 + 0.02 * i);
    }
  }
  return results;
}

TEST(FidelitySummary, KnownNumbers) {
  const FidelitySummary summary = Summarize(Made(18, 2));
  EXPECT_EQ(summary.batches, 18);
  EXPECT_THAT(summary.mean_gain, Optional(DoubleNear(0.17, 1e-9)));
  EXPECT_THAT(summary.sigma_gain, Optional(DoubleNear(0.02 * std::sqrt(18 * 19 / 12.0), 1e-9)));
  EXPECT_THAT(summary.predictors[0].rank.value, Optional(DoubleNear(1, 1e-9)));
  EXPECT_THAT(summary.predictors[1].rank.value, Optional(DoubleNear(1, 1e-9)));
  EXPECT_THAT(summary.predictors[2].rank.value, Optional(DoubleNear(-1, 1e-9)));
  // Here the size says it all.
  EXPECT_FALSE(summary.predictors[0].given_size.value.has_value());
  EXPECT_THAT(summary.predictors[0].within_terciles.value, Optional(DoubleNear(1, 1e-9)));
  EXPECT_GT(*summary.test_retest.value, 0.9);
  EXPECT_THAT(summary.disattenuated.value, Optional(DoubleNear(1 / *summary.ceiling.value, 1e-9)));
  EXPECT_THAT(summary.slope_through_origin.value, Optional(DoubleNear(2, 1e-9)));
  EXPECT_THAT(summary.slope.value, Optional(DoubleNear(2, 1e-9)));
  EXPECT_THAT(summary.intercept.value, Optional(DoubleNear(0, 1e-9)));
  EXPECT_THAT(summary.coverage, Optional(DoubleNear(1.0 / 18, 1e-9)));  // that of gain 0
  EXPECT_GE(*summary.coverage_with_noise, *summary.coverage);
  // Batches 5, 11 and 17 are chosen, and are best; the means are at 2.5, 8.5 and 14.5.
  EXPECT_NEAR(summary.choice->chosen, 0.22, 1e-9);
  EXPECT_NEAR(summary.choice->best, 0.22, 1e-9);
  EXPECT_NEAR(summary.choice->mean, 0.17, 1e-9);
  EXPECT_THAT(summary.classes[0].rank, Optional(DoubleNear(1, 1e-9)));
  EXPECT_EQ(summary.classes[1].batches, 0);  // no dogs in the test images
}

TEST(FidelitySummary, BelowSixteenBatchesNothingIsMeasurable) {
  const FidelitySummary summary = Summarize(Made(15, 2));
  EXPECT_TRUE(summary.sigma_gain.has_value());
  const nlohmann::ordered_json json = SummaryToJson(summary);
  EXPECT_EQ(json["test_retest"]["value"], "not measurable");
  EXPECT_EQ(json["ceiling"]["value"], "not measurable");
  EXPECT_EQ(json["disattenuated"]["value"], "not measurable");
  EXPECT_EQ(json["regret"], "not measurable");
  EXPECT_EQ(json["calibration"]["slope"]["value"], "not measurable");
  EXPECT_EQ(json["calibration"]["coverage_95"], "not measurable");
  EXPECT_TRUE(json["mean_gain"].is_number());
  EXPECT_THAT(RenderFidelity(Made(15, 2), summary), HasSubstr("15 of 15 batches measured"));
}

TEST(FidelitySummary, ATruthThatDoesNotRepeatHasNoCeiling) {
  FidelityResults results = Made(16, 2);
  for (auto& [key, training] : results.trainings) {
    // The second half says the opposite.
    training.map50[kSecondHalf] = 0.4 - *training.map50[kFirstHalf];
  }
  const FidelitySummary summary = Summarize(results);
  EXPECT_LT(*summary.test_retest.value, 0);
  EXPECT_FALSE(summary.ceiling.value.has_value());
  EXPECT_FALSE(summary.disattenuated.value.has_value());
  EXPECT_TRUE(summary.predictors[0].rank.value.has_value());
}

TEST(FidelitySummary, AnUnfinishedSeedDoesNotCount) {
  FidelityResults results = Made(16, 2);
  results.trainings.erase({"", 2, 7});
  const FidelitySummary summary = Summarize(results);
  EXPECT_EQ(summary.seeds, 1);
  EXPECT_THAT(DescribeTestRetest(summary), HasSubstr("share"));
  for (int i = 8; i < 16; ++i) {
    results.trainings.erase({"", 1, i});
    results.trainings.erase({"", 2, i});
  }
  EXPECT_EQ(Summarize(results).batches, 8);
  EXPECT_EQ(Summarize(results).seeds, 1);
  EXPECT_EQ(Summarize(FidelityResults()).batches, 0);
}

TEST(FidelitySummary, AnotherProfilesGains) {
  FidelityResults results = Made(20, 2);
  results.protocol["also_profile"] = "full";
  for (int i = -1; i < 16; ++i) {
    Training training;
    for (size_t part = 0; part < kTestParts; ++part) training.map50[part] = 0.5 - 0.01 * i;
    results.trainings[{"full", 1, i}] = training;
  }
  const FidelitySummary summary = Summarize(results);
  ASSERT_TRUE(summary.other.has_value());
  EXPECT_EQ(summary.other->batches, 16);
  EXPECT_EQ(summary.other->seeds, 1);
  EXPECT_THAT(summary.other->rank.value, Optional(DoubleNear(-1, 1e-9)));
  EXPECT_EQ(summary.seeds, 2);
  EXPECT_THAT(RenderFidelity(results, summary), HasSubstr("With the profile full"));
}

TEST(RenderFidelity, SaysWhatTheIntervalCarries) {
  FidelityResults results = Made(16, 2);
  const std::string html = RenderFidelity(results, Summarize(results));
  EXPECT_THAT(html,
              HasSubstr("follows the real gain: rank correlation 1.00; beyond the batches’ size"));
  EXPECT_THAT(html, HasSubstr("no figure to publish"));
  EXPECT_THAT(html, HasSubstr("made &lt;up&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("made <up>")));
  for (TrialBatch& batch : results.batches) batch.estimate.mean *= -1;
  EXPECT_THAT(RenderFidelity(results, Summarize(results)), HasSubstr("contradicts"));
  SeededRandom random(5);
  for (TrialBatch& batch : results.batches) batch.estimate.mean = random.Uniform();
  const FidelitySummary summary = Summarize(results);
  EXPECT_THAT(RenderFidelity(results, summary), HasSubstr("not settled"));
  std::ostringstream out;
  PrintFidelity(results, summary, out);
  EXPECT_THAT(out.str(), HasSubstr("not settled"));
  EXPECT_THAT(out.str(), HasSubstr("within thirds by size"));
}

TEST(ReadFidelity, WhatWasWritten) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("mgral-fidelity-" + std::to_string(getpid()) + ".json");
  const FidelityResults results = Made(3, 2);
  ASSERT_TRUE(WriteFidelity(results, {{"batches", 3}}, file.string()).ok());
  const absl::StatusOr<FidelityResults> read = ReadFidelity(file.string());
  std::filesystem::remove(file);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FidelityToJson(*read), FidelityToJson(results));
  EXPECT_FALSE(ReadFidelity(file.string()).ok());
}

}  // namespace
}  // namespace mgral::client
