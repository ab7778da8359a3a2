#include "server/cycle/files.h"

#include <gtest/gtest.h>

#include <cmath>

#include "server/cycle/probe_result.h"
#include "server/cycle/realized_gain.h"
#include "server/cycle/state.h"

namespace mgral::cycle {
namespace {

domain::Image MakeImage(int64_t key) {
  domain::Image image;
  image.key = key;
  image.image_id = "image-" + std::to_string(key);
  image.source = {domain::ImageSource::Kind::kArtifact, "location"};
  return image;
}

domain::Box MakeBox(int class_index) {
  domain::Box box;
  box.x_min = 1.5;
  box.width = box.height = 7;
  box.class_index = class_index;
  box.ignore = class_index == 1;
  box.score = 0.25;
  return box;
}

// No prefix of a file, and no file with more behind it, is read as one.
template <typename Read>
void ExpectOnlyWhole(const std::string& bytes, Read read) {
  ASSERT_TRUE(read(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(read(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(read(bytes + "x").ok());
  // Whatever byte is turned over, reading ends and takes no more memory than the file warrants.
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string broken = bytes;
    broken[i] ^= static_cast<char>(0xFF);
    (void)read(broken);
  }
}

TEST(RunCycleFilesTest, Examples) {
  const CycleExamples examples{{{MakeImage(3), {MakeBox(0), MakeBox(1)}}, {MakeImage(4), {}}},
                               {{MakeImage(9), {MakeBox(0)}}}};
  const std::string bytes = WriteExamples(examples);
  ExpectOnlyWhole(bytes, ReadExamples);
  const CycleExamples read = *ReadExamples(bytes);
  ASSERT_EQ(read.training.size(), 2u);
  EXPECT_EQ(read.training[0].image.image_id, "image-3");
  EXPECT_EQ(read.training[0].image.source.kind, domain::ImageSource::Kind::kArtifact);
  EXPECT_TRUE(read.training[0].boxes[1].ignore);
  EXPECT_EQ(read.training[0].boxes[0].x_min, 1.5);
  EXPECT_EQ(read.validation[0].image.key, 9);
}

TEST(RunCycleFilesTest, Signals) {
  domain::ImageSignals a;
  a.image_key = 5;
  a.embedding = {0.5f, -1};
  a.expected_objects = {1, 2};
  a.uncertainty = {0.25f, 0};
  a.disagreement = 0.75f;
  a.predictions = {MakeBox(1)};
  domain::ImageSignals b;
  b.image_key = 6;
  b.error = "is no image";
  const std::string bytes = WriteSignals({a, b});
  ExpectOnlyWhole(bytes, ReadSignals);
  const auto read = *ReadSignals(bytes);
  EXPECT_EQ(read[0].embedding, a.embedding);
  EXPECT_EQ(read[0].disagreement, a.disagreement);
  EXPECT_EQ(read[0].predictions[0].score, 0.25);
  EXPECT_EQ(read[1].error, "is no image");
}

TEST(RunCycleFilesTest, Plan) {
  CyclePlan plan;
  plan.plan.cells = "cells";
  plan.plan.probes.resize(2);
  plan.plan.probes[0].control = true;
  plan.plan.probes[1].replay = true;
  plan.plan.probes[1].seed = 77;
  plan.plan.probes[1].image_keys = {3};
  plan.images = {{}, {MakeImage(3)}};
  const std::string bytes = WritePlan(plan);
  ExpectOnlyWhole(bytes, ReadPlan);
  const CyclePlan read = *ReadPlan(bytes);
  EXPECT_TRUE(read.plan.probes[0].control);
  EXPECT_TRUE(read.plan.probes[1].replay);
  EXPECT_EQ(read.plan.probes[1].seed, 77u);
  EXPECT_EQ(read.images[1][0].key, 3);
}

TEST(RunCycleFilesTest, TableAndKeys) {
  domain::ModelRuntime::TableResult table;
  table.table = "table";
  table.report.fidelity = -0.5;
  table.report.cells = 3;
  table.cells = {2};
  table.entries = {"entry"};
  table.expected_gain = {{0.125f}};
  const std::string bytes = WriteTable(table);
  ExpectOnlyWhole(bytes, ReadTable);
  EXPECT_EQ(*ReadTable(bytes)->report.fidelity, -0.5);
  EXPECT_EQ(ReadTable(bytes)->expected_gain[0][0], 0.125f);
  ExpectOnlyWhole(WriteKeys({1, 2}), ReadKeys);
  // One kind of file is not taken for another.
  EXPECT_FALSE(ReadImages(WriteKeys({})).ok());
}

TEST(RunCycleStateTest, UnknownNumbersSurviveJson) {
  TrainedCycle trained;
  trained.inputs.seed = uint64_t{1} << 61;
  trained.inputs.shards = {"a", "b"};
  trained.inputs.previous = PreviousSnapshot{"w", "m", "", {0.5, std::nan("")}, 0.5};
  trained.class_ap50 = {std::nan(""), 0.25};
  trained.map50 = std::nan("");
  const auto read = ParseTrained(ToJson(trained));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->inputs.seed, uint64_t{1} << 61);
  EXPECT_TRUE(std::isnan(read->class_ap50[0]));
  EXPECT_TRUE(std::isnan(read->map50));
  EXPECT_EQ(read->inputs.previous->class_ap50[0], 0.5);
  EXPECT_FALSE(ParseTrained("").ok());
  EXPECT_FALSE(ParseTrained("{}").ok());
  EXPECT_FALSE(ParseManifest("[1]").ok());
  const auto response = ReadProbeResult(WriteProbeResult({{std::nan(""), 0.5}, {1}, 2}));
  ASSERT_TRUE(response.ok());
  EXPECT_TRUE(std::isnan(response->class_ap50[0]));
  EXPECT_FALSE(ReadProbeResult("null").ok());
}

TEST(MixSeedTest, DiffersByPlaceAndStaysNonNegative) {
  EXPECT_EQ(MixSeed(5, 1), MixSeed(5, 1));
  EXPECT_NE(MixSeed(5, 1), MixSeed(5, 2));
  EXPECT_NE(MixSeed(5, 1), MixSeed(6, 1));
  for (uint64_t i = 0; i < 100; ++i) EXPECT_LT(MixSeed(~0ull, i), uint64_t{1} << 62);
}

domain::Batch MakeBatch(const std::string& id, const std::vector<int64_t>& labeled) {
  domain::Batch batch;
  batch.batch_id = id;
  batch.estimated_gain = domain::Gain{0.1, 0.03, {}, {}};
  for (const int64_t key : labeled) {
    domain::BatchImage image;
    image.image_key = key;
    image.state = domain::ImageState::kLabeled;
    batch.images.push_back(image);
  }
  return batch;
}

TEST(ShareRealisedGainTest, EveryFreshImageHasTheSameShare) {
  TrainedCycle trained;
  trained.inputs.previous = PreviousSnapshot{"", "", "", {0.2, std::nan("")}, 0.2};
  trained.class_ap50 = {0.6, 0.5};
  trained.map50 = 0.6;
  std::vector<domain::Example> before = {{MakeImage(1), {}}};
  std::vector<domain::Example> now = before;
  for (int64_t key = 2; key <= 5; ++key) now.push_back({MakeImage(key), {}});
  const std::vector<domain::Batch> batches = {
      MakeBatch("a", {2}), MakeBatch("b", {3, 4}),
      MakeBatch("late", {5, 99}),  // 99 came after the training began
      MakeBatch("empty", {})};
  const RealisedShare share = ShareRealisedGain(trained, batches, now, before);
  ASSERT_EQ(share.batches.size(), 2u);
  EXPECT_NEAR(share.batches[0].gain.mean, 0.1, 1e-12);
  EXPECT_NEAR(share.batches[1].gain.mean, 0.2, 1e-12);
  EXPECT_NEAR(share.batches[1].gain.class_mean[0], 0.2, 1e-12);
  EXPECT_TRUE(std::isnan(share.batches[1].gain.class_mean[1]));
  EXPECT_NEAR(share.predicted, 0.2, 1e-12);
  EXPECT_NEAR(share.predicted_standard_error, 0.03 * std::sqrt(2), 1e-12);
  EXPECT_NEAR(*share.realised, 0.4, 1e-12);
  // Without a model before, or a measurement, nothing can be said.
  trained.map50 = std::nan("");
  EXPECT_FALSE(ShareRealisedGain(trained, batches, now, before).realised.has_value());
  trained.inputs.previous.reset();
  EXPECT_TRUE(ShareRealisedGain(trained, batches, now, before).batches.empty());
}

}  // namespace
}  // namespace mgral::cycle
