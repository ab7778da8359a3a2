#include "server/core/selector/strategies.h"

namespace mgral::core {

Ranking RankColdStart(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  Ranking out;
  out.order =
      KCenterGreedy(candidates.embeddings, candidates.images, candidates.dim, {}, input.limit);
  return out;
}

}  // namespace mgral::core
