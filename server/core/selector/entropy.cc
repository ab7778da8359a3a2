#include "server/core/selector/check_selection.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {

Ranking RankEntropy(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  const int64_t images = candidates.images, classes = candidates.classes;
  CheckEmbeddings(candidates.uncertainty, images, classes, "uncertainty");
  std::vector<double> total(images, 0.0);
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t c = 0; c < classes; ++c) total[i] += candidates.uncertainty[i * classes + c];
  }
  Ranking out;
  out.order = BestByScore(total, input.limit);
  return out;
}

}  // namespace mgral::core
