#include <algorithm>
#include <numeric>
#include <vector>

#include "server/core/lookup/kmeans.h"
#include "server/core/random.h"
#include "server/core/selector/check_selection.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {

// The groups are those that a table counts once (kmeans.h), made of the labeled images and the
// candidates together.
Ranking RankRandomDeduplicated(const RankInput& input) {
  const ImageSignals& candidates = input.candidates;
  const int64_t images = candidates.images, dim = candidates.dim;
  CheckEmbeddings(candidates.embeddings, images, dim, "embeddings");
  const int64_t labeled = LabeledEmbeddings(input);
  std::vector<float> all = input.labeled_embeddings;
  all.insert(all.end(), candidates.embeddings.begin(), candidates.embeddings.end());
  const CellAssignment assignment =
      ClusterCells(all, labeled + images, dim, 0, input.seed).assignment;

  std::vector<bool> known(assignment.groups, false);
  for (int64_t i = 0; i < labeled; ++i) known[assignment.group[i]] = true;
  std::vector<int64_t> shuffled(images), repeats;
  std::iota(shuffled.begin(), shuffled.end(), 0);
  RandomStream(input.seed).Shuffle(&shuffled);
  Ranking out;
  for (const int64_t image : shuffled) {
    const int32_t group = assignment.group[labeled + image];
    (known[group] ? repeats : out.order).push_back(image);
    known[group] = true;
  }
  out.order.insert(out.order.end(), repeats.begin(), repeats.end());
  out.order.resize(std::min(input.limit, images));
  return out;
}

}  // namespace mgral::core
