#include "server/core/lookup/table_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

using ::testing::HasSubstr;

struct Evidence {
  TableInput input;
  std::vector<ReplayProbe> probes;
  std::vector<RealizedGain> realized;
};

template <typename Change>
void ExpectRefused(const std::string& field, Change change) {
  const PlantedPool pool(30, 2, 3, 1);
  Evidence evidence{pool.input, pool.Probes(1, 2, {0.5, 0.2}, 0.01, 1), {}};
  evidence.realized = {{evidence.probes[0].features, {0.5, 0.4}, {0.01, 0.02}}};
  change(&evidence);
  try {
    FitTable(DescribePool(evidence.input), evidence.probes, evidence.realized);
    FAIL() << field << " was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr(field));
  }
}

TEST(TableInputTest, InvalidFieldsAreRefusedByName) {
  const float nan = std::nanf("");
  const double inf = std::numeric_limits<double>::infinity();
  ExpectRefused("embeddings", [&](auto* in) { in->input.candidates.embeddings[3] = nan; });
  ExpectRefused("expected_objects",
                [&](auto* in) { in->input.candidates.expected_objects.pop_back(); });
  ExpectRefused("expected_objects",
                [&](auto* in) { in->input.candidates.expected_objects[0] = -1; });
  ExpectRefused("labeled_objects", [&](auto* in) { in->input.labeled_objects[1] = nan; });
  ExpectRefused("labeled_objects", [&](auto* in) { in->input.labeled_objects.pop_back(); });
  ExpectRefused("labeled_embeddings", [&](auto* in) { in->input.labeled_embeddings.pop_back(); });
  ExpectRefused("missed_share", [&](auto* in) { in->input.missed_share = {1}; });
  ExpectRefused("missed_share", [&](auto* in) { in->input.missed_share = {1, nan}; });
  ExpectRefused("class_ap", [&](auto* in) { in->input.class_ap[0] = 1.5; });
  ExpectRefused("class_ap", [&](auto* in) { in->input.class_ap.pop_back(); });
  ExpectRefused("clustering", [&](auto* in) { in->input.clustering.assignment.cell[0] = 99; });
  ExpectRefused("clustering", [&](auto* in) { in->input.clustering.cells.dim = 3; });
  ExpectRefused("clustering", [&](auto* in) { in->input.clustering.cells.count = INT64_MAX; });
  ExpectRefused("probes[1].response", [&](auto* in) { in->probes[1].response[1] = inf; });
  ExpectRefused("probes[0].features", [&](auto* in) { in->probes[0].features[0] = -1; });
  ExpectRefused("probes[0].held_positives", [&](auto* in) { in->probes[0].held_positives = {}; });
  ExpectRefused("probes[0].half_response", [&](auto* in) { in->probes[0].half_response[1] = {}; });
  ExpectRefused("probes[0].half_response", [&](auto* in) { in->probes[0].half_response[0] = {}; });
  ExpectRefused("realized[0].features", [&](auto* in) { in->realized[0].features[1] = nan; });
  ExpectRefused("realized[0].class_ap", [&](auto* in) { in->realized[0].class_ap = {0.5}; });
  ExpectRefused("realized[0].class_gain", [&](auto* in) { in->realized[0].class_gain[0] = inf; });
}

TEST(DescribePoolTest, CountsWhatIsLabeledMissedAndExpectedByCell) {
  TableInput input;
  input.candidates.images = 3;
  input.candidates.classes = 2;
  input.candidates.dim = 1;
  input.candidates.embeddings = {0, 10, 10.001f};
  input.candidates.expected_objects = {1, 0, 0, 3, 0, 5};
  input.missed_share = {1, 0.5};
  input.clustering.cells = {2, 1, {0, 10}, {0.1, 0.1}, 5};
  input.clustering.assignment = {{0, 1, 1}, {0, 1, 1}, 2};
  input.labeled_embeddings = {1, 9, 11};
  input.labeled_objects = {2, 0, 1, 4, 0, 0};
  input.class_ap = {std::nan(""), 0.5};
  const LookupTable table = DescribePool(input);
  CheckTable(table);
  EXPECT_EQ(table.labeled, (std::vector<double>{3, 4}));
  EXPECT_FLOAT_EQ(table.covered[0], std::exp(-1.0f / 50)) << "1 of 5 from the centroid";
  EXPECT_FLOAT_EQ(table.covered[1], std::exp(-1.0f / 50));
  EXPECT_EQ(table.missed, (std::vector<float>{1, 0, 0, 2, 0, 2})) << "mean of the group";
  EXPECT_EQ(table.cell_share, (std::vector<double>{0.75, 0, 0.25, 1}));
  EXPECT_EQ(table.class_ap, (std::vector<double>{0, 0.5}));
}

TEST(DescribePoolTest, NoCandidatesNoLabels) {
  TableInput input;
  input.candidates.classes = 2;
  input.candidates.dim = 4;
  input.clustering = ClusterCells({}, 0, 4, 0, 1);
  input.labeled_embeddings = {1, 2, 3, 4};
  input.labeled_objects = {1, 2};
  input.class_ap = {0.1, 1.0};
  EXPECT_EQ(DescribePool(input).labeled, (std::vector<double>{1, 2}));
  input.labeled_embeddings.clear();
  input.labeled_objects.clear();
  EXPECT_EQ(DescribePool(input).labeled, (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace mgral::core
