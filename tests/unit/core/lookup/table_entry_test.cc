#include "server/core/lookup/table_entry.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "server/core/lookup/estimate.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

std::string Hex(const std::string& bytes) {
  std::string out;
  for (unsigned char byte : bytes) {
    for (int digit : {byte >> 4, byte & 15}) out.push_back("0123456789abcdef"[digit]);
  }
  return out;
}

TEST(TableEntryTest, PartsGiveTheSameEstimatesAsTheWhole) {
  const LookupTable whole = FitTable(DescribePool(PlantedPool(30, 2, 4, 3).input));
  const LookupTable shared = LookupTable::Parse(SerializeShared(whole));
  EXPECT_EQ(shared.images, 0);
  const std::vector<std::string> entries = SerializeEntries(whole);
  const std::vector<int64_t> batch = {3, 17, 22, 29};
  const LookupTable part =
      AssembleTable(shared, {entries[3], entries[17], entries[22], entries[29]});
  CheckTable(part);
  const Estimate expected = EstimateGain(whole, batch);
  const Estimate found = EstimateGain(part, {0, 1, 2, 3});
  EXPECT_NEAR(found.gain, expected.gain, 1e-12);
  EXPECT_NEAR(found.standard_error, expected.standard_error, 1e-12);
  EXPECT_NEAR(EstimateGain(AssembleTable(shared, entries), batch).gain, expected.gain, 1e-12);
}

TEST(TableEntryTest, RefusesBytesThatAreNoEntry) {
  const LookupTable whole = FitTable(DescribePool(PlantedPool(30, 2, 4, 3).input));
  const LookupTable shared = LookupTable::Parse(SerializeShared(whole));
  const std::string entry = SerializeEntries(whole)[0];
  const auto refused = [&](const std::string& bytes) {
    EXPECT_THROW(AssembleTable(shared, {bytes}), std::invalid_argument);
  };
  for (size_t cut = 0; cut < entry.size(); ++cut) refused(entry.substr(0, cut));
  refused(entry + "x");
  std::string other_cell = entry;
  other_cell[3] = 0x7F;  // cell far out of range
  refused(other_cell);
  std::string huge = entry;
  huge[14] = 0x7F;  // an array longer than memory
  refused(huge);
  std::string negative = entry;
  negative[19] = static_cast<char>(0xBF);
  refused(negative);
  std::string not_a_number = entry;
  not_a_number.replace(16, 4, 4, static_cast<char>(0xFF));
  refused(not_a_number);
  for (const float reach : {-0.1f, 1.5f, std::nanf("")}) {
    LookupTable other = whole;
    other.reach[1] = reach;
    refused(SerializeEntries(other)[0]);
  }
}

TEST(TableEntryTest, CellsSurviveTheTripAndTheirFragmentsDoNot) {
  const Clustering clustering = PlantedPool(30, 2, 4, 3).input.clustering;
  const std::string bytes = SerializeCells(clustering);
  const Clustering read = ParseCells(bytes);
  EXPECT_EQ(read.cells.centroids, clustering.cells.centroids);
  EXPECT_EQ(read.assignment.cell, clustering.assignment.cell);
  EXPECT_EQ(read.assignment.groups, clustering.assignment.groups);
  EXPECT_THROW(ParseCells(bytes.substr(0, bytes.size() - 1)), std::invalid_argument);
  EXPECT_THROW(ParseCells(""), std::invalid_argument);
}

// A database keeps what a release wrote.
TEST(StoredBytesTest, ATableIsReadAndWrittenAsEver) {
  LookupTable table;
  table.images = 2;
  table.classes = 1;
  table.cells.count = 1;
  table.cells.dim = 1;
  table.cells.centroids = {0.5f};
  table.cells.tightness = {0.25};
  table.cells.spread = 2;
  table.cell_of = {0, 0};
  table.group_of = {1, 0};
  table.groups = 2;
  table.missed = {1.0f, 2.0f};
  table.labeled = {3};
  table.reach = {0.5f, 1.0f};
  table.covered = {0.25f};
  table.cell_share = {1};
  table.class_ap = {0.75};
  SetPrior(&table);
  CheckTable(table);
  const std::vector<std::string> entries = SerializeEntries(table);
  EXPECT_EQ(Hex(entries.at(0)),
            "00000000"  // cell
            "01000000"  // group
            "0100000000000000"
            "0000803f"  // missed objects
            "0100000000000000"
            "0000003f");  // reach
  const std::string bytes = table.Serialize();
  EXPECT_EQ(Hex(bytes.substr(0, 64)),
            "4d4c5254"
            "05000000"  // "MLRT", version 5
            "02000000"  // features
            "0200000000000000"
            "0100000000000000"  // images, classes
            "0100000000000000"
            "0100000000000000"  // cells, dim
            "0100000000000000"
            "0000003f"            // centroids
            "0100000000000000");  // tightness
  EXPECT_EQ(LookupTable::Parse(bytes).Serialize(), bytes);
  std::string earlier = bytes;
  earlier[4] = 1;
  EXPECT_THROW(LookupTable::Parse(earlier), std::invalid_argument);
}

TEST(StoredBytesTest, CellsOfAPlanAreReadAndWrittenAsEver) {
  Clustering clustering;
  clustering.cells = {1, 1, {0.5f}, {0.25}, 2};
  clustering.assignment = {{0, 0}, {1, 0}, 2};
  EXPECT_EQ(Hex(SerializeCells(clustering)),
            "0100000000000000"
            "0100000000000000"  // cells, dim
            "0100000000000000"
            "0000003f"  // centroids
            "0100000000000000"
            "000000000000d03f"  // tightness
            "0000000000000040"  // spread
            "0200000000000000"
            "0000000000000000"  // cell of each image
            "0200000000000000"
            "0100000000000000"  // group of each image
            "02000000");        // groups
}

}  // namespace
}  // namespace mgral::core
