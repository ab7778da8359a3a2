#ifndef MGRAL_SERVER_CORE_SELECTOR_STRATEGIES_H_
#define MGRAL_SERVER_CORE_SELECTOR_STRATEGIES_H_

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// Baselines. Each returns min(n, images) distinct image indices, best first; every prefix is a
// batch. Same input, same answer. All throw std::invalid_argument naming the input for a negative
// size, a mismatching array or a value that is not finite. Thread-safe.

// A seeded permutation.
std::vector<int64_t> RankRandom(int64_t images, int64_t n, uint64_t seed);

// Uncertainty summed over the classes, descending; ties by index. `uncertainty` [images, classes].
std::vector<int64_t> RankEntropy(const std::vector<float>& uncertainty, int64_t images,
                                 int64_t classes, int64_t n);

// Smallest margin between the two best classes first; ties by index. `margin` [images].
std::vector<int64_t> RankMargin(const std::vector<float>& margin, int64_t n);

// Greedy k-centre (Sener and Savarese, Active Learning for CNNs: A Core-Set Approach, 2018): the
// image farthest from everything labelled and taken comes next; ties by index. `embeddings`
// [images, dim], `labelled` [m, dim], may be empty: the image nearest to the mean comes first.
// Exact, and lazy: distances are upper bounds until an image comes to the top, so that most of the
// O(images n dim) work is never done; memory O(images).
std::vector<int64_t> RankCoreSet(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                                 const std::vector<float>& labelled, int64_t n);

// No labels yet: core-set over the embeddings of the untrained or imported backbone.
std::vector<int64_t> ColdStart(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                               int64_t n);

// The image with the largest marginal gain of the table comes next; ties by index. Exact while
// images * n * classes <= 1e8; beyond, only the best image of each cell is compared.
std::vector<int64_t> RankLookupGreedy(const LookupTable& table, int64_t n);

// The same, continuing after `taken`, which is not repeated in the answer.
std::vector<int64_t> ContinueLookupGreedy(const LookupTable& table,
                                          const std::vector<int64_t>& taken, int64_t n);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_STRATEGIES_H_
