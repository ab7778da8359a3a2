#include "server/runtime/table_entry.h"

#include <gtest/gtest.h>

#include <random>

#include "server/core/lookup/fit_table.h"

namespace mgral::runtime {
namespace {

core::TableInput MakeInput(int64_t images) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0, 1);
  core::TableInput input;
  input.candidates.images = images;
  input.candidates.classes = 2;
  input.candidates.dim = 4;
  for (int64_t i = 0; i < images; ++i) {
    for (int j = 0; j < 4; ++j) input.candidates.embeddings.push_back(uniform(random));
    for (int c = 0; c < 2; ++c) {
      input.candidates.expected_objects.push_back(uniform(random));
      input.candidates.uncertainty.push_back(uniform(random));
    }
    input.candidates.disagreement.push_back(uniform(random));
  }
  input.clustering = core::ClusterCells(input.candidates.embeddings, images, 4, 0, 1);
  input.labelled_objects = {10, 3};
  input.labelled_images = 8;
  input.class_ap = {0.5, 0.2};
  return input;
}

TEST(TableEntryTest, PartsGiveTheSameEstimatesAsTheWhole) {
  const core::LookupTable whole = core::FitTable(MakeInput(30));
  const core::LookupTable shared = core::LookupTable::Parse(SharedPart(whole));
  EXPECT_EQ(shared.images, 0);
  const std::vector<std::string> entries = ImageEntries(whole);
  const std::vector<int64_t> batch = {3, 17, 22, 29};
  const auto part = Assemble(shared, {entries[3], entries[17], entries[22], entries[29]});
  ASSERT_TRUE(part.ok()) << part.status();
  core::CheckTable(*part);
  const core::Estimate expected = core::EstimateGain(whole, batch);
  const core::Estimate found = core::EstimateGain(*part, {0, 1, 2, 3});
  EXPECT_NEAR(found.gain, expected.gain, 1e-12);
  EXPECT_NEAR(found.standard_error, expected.standard_error, 1e-12);
  const auto all = Assemble(shared, entries);
  ASSERT_TRUE(all.ok());
  EXPECT_NEAR(core::EstimateGain(*all, batch).gain, expected.gain, 1e-12);
}

TEST(TableEntryTest, RefusesBytesThatAreNoEntry) {
  const core::LookupTable whole = core::FitTable(MakeInput(30));
  const core::LookupTable shared = core::LookupTable::Parse(SharedPart(whole));
  const std::string entry = ImageEntries(whole)[0];
  EXPECT_FALSE(Assemble(shared, {""}).ok());
  for (size_t cut = 1; cut < entry.size(); ++cut) {
    EXPECT_FALSE(Assemble(shared, {entry.substr(0, cut)}).ok());
  }
  EXPECT_FALSE(Assemble(shared, {entry + "x"}).ok());
  std::string other_cell = entry;
  other_cell[3] = 0x7F;  // cell far out of range
  EXPECT_FALSE(Assemble(shared, {other_cell}).ok());
  std::string huge = entry;
  huge[14] = 0x7F;  // a vector longer than memory
  EXPECT_FALSE(Assemble(shared, {huge}).ok());
}

TEST(TableEntryTest, CellsSurviveTheTripAndTheirFragmentsDoNot) {
  const core::Clustering clustering = MakeInput(30).clustering;
  const std::string bytes = SerializeCells(clustering);
  const auto read = ParseCells(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->cells.centroids, clustering.cells.centroids);
  EXPECT_EQ(read->assignment.cell, clustering.assignment.cell);
  EXPECT_EQ(read->assignment.groups, clustering.assignment.groups);
  EXPECT_FALSE(ParseCells(bytes.substr(0, bytes.size() - 1)).ok());
  EXPECT_FALSE(ParseCells("").ok());
}

}  // namespace
}  // namespace mgral::runtime
