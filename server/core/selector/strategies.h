#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/core/evaluation/average_precision.h"
#include "server/core/lookup/object_embeddings.h"
#include "server/core/lookup/table.h"
#include "server/core/lookup/table_input.h"
#include "server/core/progress.h"
#include "server/core/selector/select_queue.h"

namespace mgral::core {

// What a strategy may look at; a strategy that lacks what it needs, or is given arrays of wrong
// sizes, throws std::invalid_argument naming the field.
struct RankInput {
  ImageSignals candidates;                          // N images
  std::vector<std::vector<ScoredBox>> predictions;  // [N] what the detector found in each
  ObjectEmbeddings objects;                         // of the first predictions of each
  std::vector<float> labeled_embeddings;            // [m, candidates.dim]
  std::vector<double> labeled_objects;              // [C] objects of each class among the labels
  std::vector<double> class_ap;                     // [C] AP@.5 on validation images, 0: unknown
  std::optional<LookupTable> table;                 // of the candidates, in their order
  // Labeling an image costs cost_per_image, and cost_per_box for each object that is expected in it
  // (labeling_price.cc).
  double cost_per_image = 2, cost_per_box = 1;  // one of them may be 0
  PolicyParameters previous_policy;             // for a warm start; may be empty
  int64_t batch_size = 20;
  int64_t limit = 0;  // how many images to rank
  uint64_t seed = 0;
  ProgressFn progress;
};

struct Ranking {
  // min(limit, N) distinct indices of candidates, best first; every prefix is a batch.
  std::vector<int64_t> order;
  // Of the strategies that train one.
  PolicyParameters policy;
  QueueReport report;
};

// The strategies, one per file. To add one: CONTRIBUTING.md, "Where code goes". Same input, same
// answer. Thread-safe.

// Smallest margin first (margin.cc); ties by index.
Ranking RankMargin(const RankInput& input);
// Uncertainty summed over the classes, descending; ties by index.
Ranking RankEntropy(const RankInput& input);
// A seeded permutation.
Ranking RankRandom(const RankInput& input);
// A seeded permutation in which near-duplicates of what is labeled or ahead of them come last.
Ranking RankRandomDeduplicated(const RankInput& input);
// Greedy k-center over the embeddings, away from what is labeled.
Ranking RankCoreSet(const RankInput& input);
// Greedy coverage by a Gaussian kernel on the embeddings, with what is labeled.
Ranking RankMaxHerding(const RankInput& input);
// BADGE (Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, 2020),
// for objects: k-means++ over what the images' objects would do to the last layer (badge.cc).
Ranking RankBadge(const RankInput& input);
// PPAL (Yang et al., Plug and Play Active Learning for Object Detection, 2024): batch by batch, the
// most different of four times as many uncertain images (ppal.cc).
Ranking RankPpal(const RankInput& input);
// The image that raises the sum over classes of log(1 + objects) most comes next, objects being
// those labeled and those expected in what is taken: a batch rich in classes with few labels.
// Images in which nothing is expected come last; ties by index. Exact, and lazy.
Ranking RankClassBalanced(const RankInput& input);
// No labels yet: core_set over the embeddings of the untrained or imported backbone.
Ranking RankColdStart(const RankInput& input);
// The image with the largest marginal gain of the table, less the price of its labeling cost, comes
// next.
Ranking RankLookupGreedy(const RankInput& input);
// A negative control: lookup_greedy with the table's rows (cell, group of near-duplicates, reach,
// missed objects) and labeling costs permuted among the images by the seed. What it wins, the table
// has not.
Ranking RankLookupShuffled(const RankInput& input);
// The LSTM policy's queue of a few batches, continued by the table's greedy order.
Ranking RankMgral(const RankInput& input);

// By name: "margin", "entropy", ... Throws std::invalid_argument for another one.
Ranking Rank(const std::string& strategy, const RankInput& input);
std::vector<std::string> StrategyNames();

// What the strategies share.

// The first min(n, size) by `score`, descending; ties by index.
std::vector<int64_t> BestByScore(const std::vector<double>& score, int64_t n);

// How sure a detector is of the class of what it found in an image, in [0, 1]; small is unsure. Of
// an object: its score minus that of the best other class at the same place (IoU >= 0.5), or, alone
// there, |2 score - 1|, its distance to background. Of an image: the mean over its objects; 1 when
// nothing was found.
float ImageMargin(const std::vector<ScoredBox>& predictions);

// Greedy k-center (Sener and Savarese, Active Learning for CNNs: A Core-Set Approach, 2018): the
// image farthest from everything labeled and taken comes next; ties by index. `embeddings`
// [images, dim], `labeled` [m, dim], may be empty: the image nearest to the mean comes first.
// Exact, and lazy: distances are upper bounds until an image comes to the top, so that most of the
// O(images n dim) work is never done; memory O(images). min(n, images) indices.
std::vector<int64_t> KCenterGreedy(const std::vector<float>& embeddings, int64_t images,
                                   int64_t dim, const std::vector<float>& labeled, int64_t n);

// MaxHerding (Bae et al., Generalized Coverage for More Robust Low-Budget Active Learning, 2024):
// the image comes next that raises the mean over images x of max_s k(x, s) most, s being everything
// labeled and taken; ties by index. k = exp(-|x - s|^2 / m^2) with m the median distance of two
// images. Arrays as above. The mean is over 4096 images drawn by the seed, or all of fewer; exact
// for these, and lazy like KCenterGreedy; memory O(images). min(n, images) indices.
std::vector<int64_t> MaxHerding(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                                const std::vector<float>& labeled, int64_t n, uint64_t seed);

// Up to `n` images by the largest marginal gain less price ([N], or empty), continuing after
// `taken`, which is not repeated in the answer; ties by index. Exact, and lazy: gains only fall, so
// that they are upper bounds until an image comes to the top.
std::vector<int64_t> ContinueLookupGreedy(const LookupTable& table,
                                          const std::vector<int64_t>& taken, int64_t n,
                                          const std::vector<double>& price = {});

}  // namespace mgral::core
