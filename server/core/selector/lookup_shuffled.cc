#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr uint64_t kShuffleStream = 0xd1b54a32d192ed03;  // not that of random.cc

// The table with the rows of its images dealt out anew, and their cost with them: what is known of
// an image is another's.
void ShuffleRows(RankInput* input) {
  const LookupTable table = *input->table;
  const std::vector<float> expected = input->candidates.expected_objects;
  std::vector<int64_t> rows(table.images);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  RandomStream(input->seed ^ kShuffleStream).Shuffle(&rows);
  LookupTable& out = *input->table;
  for (int64_t i = 0; i < table.images; ++i) {
    std::copy_n(expected.begin() + rows[i] * table.classes, table.classes,
                input->candidates.expected_objects.begin() + i * table.classes);
    out.cell_of[i] = table.cell_of[rows[i]];
    out.group_of[i] = table.group_of[rows[i]];
    std::copy_n(table.missed.begin() + rows[i] * table.classes, table.classes,
                out.missed.begin() + i * table.classes);
    std::copy_n(table.reach.begin() + rows[i] * table.cells.count, table.cells.count,
                out.reach.begin() + i * table.cells.count);
  }
}

}  // namespace

Ranking RankLookupShuffled(const RankInput& input) {
  if (!input.table) throw std::invalid_argument("table: lookup_shuffled needs one");
  CheckTable(*input.table);
  if (input.candidates.expected_objects.size() != input.table->missed.size()) {
    throw std::invalid_argument("expected_objects: has a wrong number of values");
  }
  RankInput shuffled = input;
  ShuffleRows(&shuffled);
  return RankLookupGreedy(shuffled);
}

}  // namespace mgral::core
