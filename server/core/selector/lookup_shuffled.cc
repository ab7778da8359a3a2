#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr uint64_t kShuffleStream = 0xd1b54a32d192ed03;  // not that of random.cc

// The table with the rows of its images dealt out anew: what is expected of an image is another's.
LookupTable WithShuffledRows(const LookupTable& table, uint64_t seed) {
  std::vector<int64_t> rows(table.images);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  RandomStream(seed ^ kShuffleStream).Shuffle(&rows);
  LookupTable out = table;
  for (int64_t i = 0; i < table.images; ++i) {
    out.cell_of[i] = table.cell_of[rows[i]];
    out.group_of[i] = table.group_of[rows[i]];
    std::copy_n(table.expected.begin() + rows[i] * table.classes, table.classes,
                out.expected.begin() + i * table.classes);
    std::copy_n(table.reach.begin() + rows[i] * table.cells.count, table.cells.count,
                out.reach.begin() + i * table.cells.count);
  }
  return out;
}

}  // namespace

Ranking RankLookupShuffled(const RankInput& input) {
  if (!input.table) throw std::invalid_argument("table: lookup_shuffled needs one");
  CheckTable(*input.table);
  RankInput shuffled = input;
  shuffled.table = WithShuffledRows(*input.table, input.seed);
  return RankLookupGreedy(shuffled);
}

}  // namespace mgral::core
