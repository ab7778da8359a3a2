#include "server/cycle/records.h"

#include <gtest/gtest.h>

#include <cmath>

#include "server/cycle/selection_records.h"

namespace mgral::cycle {
namespace {

domain::Image SizedImage(int64_t key) {
  domain::Image image;
  image.key = key;
  image.image_id = "image-" + std::to_string(key);
  image.source = {domain::ImageSource::Kind::kArtifact, "location", key % 2 == 1};
  image.width = 640;
  image.height = 480;
  image.label_revision = 2;
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

// Neither a part of a record is read as one nor a record with something behind it, and whatever
// byte is turned over, reading ends and takes no more memory than the record warrants.
template <typename Parse>
void ExpectOnlyWhole(const std::string& bytes, Parse parse) {
  ASSERT_TRUE(parse(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(parse(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(parse(bytes + "x").ok());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string broken = bytes;
    broken[i] ^= static_cast<char>(0xFF);
    (void)parse(broken);
  }
}

TEST(RecordsTest, Examples) {
  const CycleExamples examples{{{SizedImage(3), {MakeBox(0), MakeBox(1)}}, {SizedImage(4), {}}},
                               {{SizedImage(9), {MakeBox(0)}}}};
  const std::string bytes = *SerializeExamples(examples);
  EXPECT_EQ(bytes, *SerializeExamples(examples));
  ExpectOnlyWhole(bytes, ParseExamples);
  const CycleExamples read = *ParseExamples(bytes);
  ASSERT_EQ(read.training.size(), 2u);
  EXPECT_EQ(read.training[0].image.image_id, "image-3");
  EXPECT_EQ(read.training[0].image.source.kind, domain::ImageSource::Kind::kArtifact);
  EXPECT_EQ(read.training[0].image.source.location, "location");
  EXPECT_TRUE(read.training[0].image.source.oriented);
  EXPECT_FALSE(read.training[1].image.source.oriented);
  EXPECT_EQ(read.training[0].image.width, 640);
  EXPECT_EQ(read.training[0].image.height, 480);
  EXPECT_EQ(read.training[0].image.label_revision, 2);
  EXPECT_TRUE(read.training[0].boxes[1].ignore);
  EXPECT_EQ(read.training[0].boxes[1].class_index, 1);
  EXPECT_EQ(read.training[0].boxes[0].x_min, 1.5);
  EXPECT_EQ(read.validation[0].image.key, 9);
}

TEST(RecordsTest, BoxesAndImagesThatCannotBeAreRefused) {
  EXPECT_FALSE(ParseExamples(*SerializeExamples({{{SizedImage(1), {MakeBox(-1)}}}, {}})).ok());
  domain::Image image = SizedImage(1);
  image.source.kind = static_cast<domain::ImageSource::Kind>(0);
  EXPECT_FALSE(ParseImages(*SerializeImages({image})).ok());
  image.source.kind = static_cast<domain::ImageSource::Kind>(9);
  EXPECT_FALSE(ParseImages(*SerializeImages({image})).ok());
}

TEST(RecordsTest, Signals) {
  domain::ImageSignals a;
  a.image_key = 5;
  a.embedding = {0.5f, -1};
  a.expected_objects = {1, 2};
  a.uncertainty = {0.25f, 0};
  a.disagreement = 0.75f;
  a.predictions = {MakeBox(1), MakeBox(2)};
  a.object_dim = 3;
  a.objects = {127, 0, -128};
  domain::ImageSignals b;
  b.image_key = 6;
  b.error = "is no image";
  const std::string bytes = *SerializeSignals({a, b});
  ExpectOnlyWhole(bytes, ParseSignals);
  const auto read = *ParseSignals(bytes);
  EXPECT_EQ(read[0].embedding, a.embedding);
  EXPECT_EQ(read[0].expected_objects, a.expected_objects);
  EXPECT_EQ(read[0].uncertainty, a.uncertainty);
  EXPECT_EQ(read[0].disagreement, a.disagreement);
  EXPECT_EQ(read[0].predictions[0].score, 0.25);
  EXPECT_EQ(read[0].object_dim, 3);
  EXPECT_EQ(read[0].objects, a.objects);
  EXPECT_EQ(read[1].error, "is no image");
  EXPECT_EQ(read[1].object_dim, 0);
  for (const int dim : {-1, 0, 2, 1}) {  // 1: more objects than predictions
    domain::ImageSignals wrong = a;
    wrong.object_dim = dim;
    EXPECT_EQ(ParseSignals(*SerializeSignals({wrong})).status().code(), absl::StatusCode::kDataLoss)
        << dim;
  }
  a.uncertainty = {0.25f};  // not one per class
  EXPECT_EQ(ParseSignals(*SerializeSignals({a})).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RecordsTest, Plan) {
  const domain::ProbePlan plan{{8, 4}, uint64_t{1} << 61, "cells"};
  const std::string bytes = *SerializePlan(plan);
  ExpectOnlyWhole(bytes, ParsePlan);
  const domain::ProbePlan read = *ParsePlan(bytes);
  EXPECT_EQ(read.probes, plan.probes);
  EXPECT_EQ(read.seed, plan.seed);
  EXPECT_EQ(read.cells, "cells");
}

TEST(RecordsTest, ReplayBase) {
  domain::ReplayBase base;
  base.image_keys = {3, 1, 2};
  base.probes = {{{7}, {0.5, std::nan("")}, {{{0.25, 1}, {0.75, 2}}}, {4, 0}, {1.5, 0}}, {}};
  base.seconds = 2.5;
  const std::string bytes = *SerializeReplayBase(base);
  ExpectOnlyWhole(bytes, ParseReplayBase);
  const domain::ReplayBase read = *ParseReplayBase(bytes);
  EXPECT_EQ(read.image_keys, base.image_keys);
  EXPECT_EQ(read.seconds, 2.5);
  ASSERT_EQ(read.probes.size(), 2u);
  EXPECT_EQ(read.probes[0].image_keys, std::vector<int64_t>{7});
  EXPECT_EQ(read.probes[0].response[0], 0.5);
  EXPECT_TRUE(std::isnan(read.probes[0].response[1]));
  EXPECT_EQ(read.probes[0].half_response, base.probes[0].half_response);
  EXPECT_EQ(read.probes[0].held_positives, base.probes[0].held_positives);
  EXPECT_EQ(read.probes[0].missed, base.probes[0].missed);
  EXPECT_TRUE(read.probes[1].response.empty());
  // Of a cycle with too few labeled images.
  EXPECT_TRUE(ParseReplayBase(*SerializeReplayBase({}))->probes.empty());
}

TEST(RecordsTest, TableInParts) {
  TableParts parts;
  parts.table.table = "table";
  parts.table.report.fidelity = -0.5;
  parts.table.report.cells = 3;
  parts.table.report.weights = {{"growth", 0.4, {0.01, -0.02}, 0.5, 0.2, 0.07}};
  parts.table.report.weights_fitted = true;
  parts.table.report.kappa = 0.45;
  parts.table.report.kappa_sd = 0.1;
  parts.table.report.residual_share = 0.3;
  parts.table.report.level = 3;
  parts.images = {"first", "second"};
  parts.table.newest = {{3, 1}, {0.5, std::nan("")}, {-0.25, 0}};
  const std::string bytes = *SerializeTable(parts);
  ExpectOnlyWhole(bytes, ParseTable);
  EXPECT_EQ(*ParseTable(bytes)->table.report.fidelity, -0.5);
  const domain::TableReport report = ParseTable(bytes)->table.report;
  EXPECT_EQ(report.cells, 3);
  ASSERT_EQ(report.weights.size(), 1u);
  EXPECT_EQ(report.weights[0].feature, "growth");
  EXPECT_EQ(report.weights[0].weight, 0.4);
  EXPECT_EQ(report.weights[0].covariance, std::vector<double>({0.01, -0.02}));
  EXPECT_EQ(report.weights[0].prior_weight, 0.5);
  EXPECT_EQ(report.weights[0].prior_sd, 0.2);
  EXPECT_EQ(report.weights[0].random_gain, 0.07);
  EXPECT_TRUE(report.weights_fitted);
  EXPECT_EQ(report.kappa, 0.45);
  EXPECT_EQ(report.kappa_sd, 0.1);
  EXPECT_EQ(report.residual_share, 0.3);
  EXPECT_EQ(report.level, 3);
  EXPECT_EQ(ParseTable(bytes)->images, parts.images);
  EXPECT_EQ(ParseTable(bytes)->table.newest.features, parts.table.newest.features);
  EXPECT_EQ(ParseTable(bytes)->table.newest.class_gain, parts.table.newest.class_gain);
  EXPECT_TRUE(std::isnan(ParseTable(bytes)->table.newest.class_ap[1]));
  parts.table.report.fidelity.reset();
  parts.table.newest = {};
  EXPECT_FALSE(ParseTable(*SerializeTable(parts))->table.report.fidelity.has_value());
  EXPECT_TRUE(ParseTable(*SerializeTable(parts))->table.newest.features.empty());

  domain::SelectionRuntime::TableResult table;
  table.cells = {2, -1, 4};
  table.entries = {"a", "b", "c"};
  table.expected_gain = {{0.125f}, {0.5f}, {-1}};
  domain::SelectionRuntime::TableResult read;
  ASSERT_TRUE(ParseTableImages(*SerializeTableImages(table, 0, 2), &read).ok());
  ASSERT_TRUE(ParseTableImages(*SerializeTableImages(table, 2, 3), &read).ok());
  EXPECT_EQ(read.cells, table.cells);
  EXPECT_EQ(read.entries, table.entries);
  EXPECT_EQ(read.expected_gain, table.expected_gain);
  EXPECT_FALSE(SerializeTableImages(table, 2, 4).ok());
}

TEST(RecordsTest, RankedPoolAndQueue) {
  RankedPool ranked;
  ranked.queues = {{"mgral", "a"}, {"random", "b"}};
  ranked.selector_sha256 = "c";
  ranked.selector_gain = 0.25;
  ranked.greedy_gain = 0.125;
  const std::string bytes = *SerializeRankedPool(ranked);
  ExpectOnlyWhole(bytes, ParseRankedPool);
  EXPECT_EQ(ParseRankedPool(bytes)->queues, ranked.queues);
  EXPECT_EQ(ParseRankedPool(bytes)->selector_sha256, "c");
  EXPECT_EQ(ParseRankedPool(bytes)->selector_gain, 0.25);
  EXPECT_EQ(ParseRankedPool(bytes)->greedy_gain, 0.125);
  const RankedQueue queue = {{3, 1, 2}, {false, true, false}};
  ExpectOnlyWhole(*SerializeQueue(queue), ParseQueue);
  EXPECT_EQ(ParseQueue(*SerializeQueue(queue))->image_keys, queue.image_keys);
  EXPECT_EQ(ParseQueue(*SerializeQueue(queue))->uniform, queue.uniform);
  // Of a release that drew nothing at random.
  EXPECT_EQ(ParseQueue(*SerializeQueue({{3, 1}, {}}))->uniform, std::vector<bool>(2));
  EXPECT_TRUE(absl::IsDataLoss(ParseQueue(*SerializeQueue({{3}, {false, true}})).status()));
}

TEST(RecordsTest, OneKindIsNotTakenForAnother) {
  EXPECT_TRUE(ParseQueue(*SerializeQueue({})).ok());
  EXPECT_TRUE(ParseImages(*SerializeImages({})).ok());
  EXPECT_FALSE(ParseImages(*SerializeQueue({})).ok());
  EXPECT_FALSE(ParseSignals(*SerializeImages({})).ok());
}

TEST(RecordsTest, UnknownNumbersSurvive) {
  TrainedCycle trained;
  trained.inputs.seed = uint64_t{1} << 61;
  trained.inputs.shards = {"a", "b"};
  trained.inputs.images = 501;
  trained.inputs.previous = PreviousSnapshot{"w", "m", "", {0.5, std::nan("")}, 0.5};
  trained.class_ap50 = {std::nan(""), 0.25};
  trained.map50 = std::nan("");
  const std::string bytes = *SerializeTrained(trained);
  ExpectOnlyWhole(bytes, ParseTrained);
  const auto read = ParseTrained(bytes);
  EXPECT_EQ(read->inputs.seed, uint64_t{1} << 61);
  EXPECT_EQ(read->inputs.shards, trained.inputs.shards);
  EXPECT_EQ(read->inputs.images, 501);
  EXPECT_TRUE(std::isnan(read->class_ap50[0]));
  EXPECT_TRUE(std::isnan(read->map50));
  EXPECT_EQ(read->inputs.previous->class_ap50[0], 0.5);
  EXPECT_FALSE(ParseInputs(*SerializeInputs({}))->previous.has_value());
}

TEST(RecordsTest, Manifest) {
  const mgral::cycle::Manifest manifest{
      "examples", true, {{{3, 1}, {0.5, 0.25}, {0.5, std::nan("")}}}};
  const std::string bytes = *SerializeManifest(manifest);
  ExpectOnlyWhole(bytes, ParseManifest);
  const auto read = *ParseManifest(bytes);
  EXPECT_EQ(read.examples_sha256, "examples");
  EXPECT_TRUE(read.cold_start);
  ASSERT_EQ(read.realized.size(), 1u);
  EXPECT_EQ(read.realized[0].features, manifest.realized[0].features);
  EXPECT_EQ(read.realized[0].class_ap, manifest.realized[0].class_ap);
  EXPECT_EQ(read.realized[0].class_gain[0], 0.5);
  EXPECT_TRUE(std::isnan(read.realized[0].class_gain[1]));
}

TEST(RecordsTest, GainsOfEarlierReleasesWhichHaveNoFeaturesOrOthersAreDropped) {
  constexpr char kBytes[] =
      "\x62\x2B"                                   // Manifest
      "\x0A\x01s"                                  // signals, which were named then
      "\x12\x01x"                                  // examples
      "\x22\x0D"                                   // realized
      "\x0A\x01r"                                  // its signals
      "\x12\x08\x00\x00\x00\x00\x00\x00\xE0\x3F"   // class_gain: 0.5
      "\x22\x14"                                   // realized
      "\x12\x08\x00\x00\x00\x00\x00\x00\xE0\x3F"   // class_gain: 0.5
      "\x1A\x08\x00\x00\x00\x00\x00\x00\xE0\x3F";  // features that there are no more: 0.5
  const auto read = ParseManifest({kBytes, sizeof(kBytes) - 1});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->examples_sha256, "x");
  EXPECT_TRUE(read->realized.empty());
}

}  // namespace
}  // namespace mgral::cycle
