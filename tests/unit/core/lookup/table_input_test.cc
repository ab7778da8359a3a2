#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/core/lookup/fit_table.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

using ::testing::HasSubstr;

template <typename Change>
void ExpectRefused(const std::string& field, Change change) {
  PlantedPool pool(30, 2, 3, 1);
  RandomStream random(1);
  const LookupTable truth = pool.Plant({0.9, 0.1, 0.05, 0.1, 0.0}, 0.1, 1);
  pool.input.observations.push_back(
      pool.Measure(truth, {0, 1, 2}, 0.01, ObservationKind::kReplay, &random));
  change(&pool.input);
  try {
    FitTable(pool.input);
    FAIL() << field << " was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr(field));
  }
}

TEST(TableInputTest, InvalidFieldsAreRefusedByName) {
  const float nan = std::nanf("");
  const double inf = std::numeric_limits<double>::infinity();
  ExpectRefused("embeddings", [&](TableInput* in) { in->candidates.embeddings[3] = nan; });
  ExpectRefused("uncertainty", [&](TableInput* in) { in->candidates.uncertainty[0] = nan; });
  ExpectRefused("uncertainty", [&](TableInput* in) { in->candidates.uncertainty[0] = -1; });
  ExpectRefused("expected_objects",
                [&](TableInput* in) { in->candidates.expected_objects.pop_back(); });
  ExpectRefused("disagreement", [&](TableInput* in) { in->candidates.disagreement[0] = nan; });
  ExpectRefused("labeled_objects", [&](TableInput* in) { in->labeled_objects[1] = nan; });
  ExpectRefused("labeled_images", [&](TableInput* in) { in->labeled_images = -1; });
  ExpectRefused("class_ap", [&](TableInput* in) { in->class_ap[0] = nan; });
  ExpectRefused("class_ap", [&](TableInput* in) { in->class_ap[0] = 1.5; });
  ExpectRefused("clustering", [&](TableInput* in) { in->clustering.assignment.cell[0] = 99; });
  ExpectRefused("observations[0].response",
                [&](TableInput* in) { in->observations[0].response[1] = inf; });
  ExpectRefused("observations[0].cell_counts",
                [&](TableInput* in) { in->observations[0].cell_counts[0] = -1; });
  ExpectRefused("observations[0].variance",
                [&](TableInput* in) { in->observations[0].variance[0] = nan; });
  ExpectRefused("observations[0].base_ap",
                [&](TableInput* in) { in->observations[0].base_ap = {0.5}; });
}

}  // namespace
}  // namespace mgral::core
