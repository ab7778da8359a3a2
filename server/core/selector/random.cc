#include "server/core/random.h"

#include <algorithm>
#include <numeric>

#include "server/core/selector/strategies.h"

namespace mgral::core {

Ranking RankRandom(const RankInput& input) {
  Ranking out;
  out.order.resize(input.candidates.images);
  std::iota(out.order.begin(), out.order.end(), 0);
  RandomStream(input.seed).Shuffle(&out.order);
  out.order.resize(std::min(input.limit, input.candidates.images));
  return out;
}

}  // namespace mgral::core
