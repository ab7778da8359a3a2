#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// Images of a pool with what a detector said of them. `keys` are the caller's names for the images.
struct ImageSet {
  std::vector<int64_t> keys;  // [n]
  ImageSignals signals;       // of n images
};

// What a cycle knows of its images when it plans probes and when it fits a table from them.
struct CycleImages {
  ImageSet candidates;  // U, by the current detector
  // L, by the current detector: embeddings alone, because signals of images that a detector has
  // been trained on say nothing.
  std::vector<int64_t> labeled_keys;
  std::vector<float> labeled_embeddings;  // [labeled, candidates.signals.dim]
  // Images that were labeled since the previous snapshot, as the detector of that time saw them
  // when they were candidates: replay probes are made of them. Embeddings are not used.
  ImageSet newly_labeled;
  std::vector<double> labeled_objects;  // [C] objects of each class in L
  std::vector<double> class_ap;         // [C] AP@.5 of the current detector on V, 0: unknown
};

// Images of an earlier time in the cells of today: features by what the detector of that time said,
// embeddings by the current one.
struct EarlierImages {
  std::vector<int64_t> keys;      // [n] those of `earlier` that are in L
  ImageFeatures features;         // of n images
  std::vector<float> embeddings;  // [n, d]
};
EarlierImages DescribeEarlier(const CycleImages& images, const ImageSet& earlier);

// One fine-tune of a detector, to measure what a batch does to AP.
struct Probe {
  bool replay = false;        // the batch has labels and comes from `newly_labeled`
  bool control = false;       // no batch: what the others of its kind and seed are compared with
  std::vector<int64_t> keys;  // the batch
  uint64_t seed = 0;
};

struct ProbePlan {
  Clustering clustering;  // of the candidates
  std::vector<Probe> probes;
};

// docs/method.md, "3. Probe": `probes` semi-supervised batches of candidates that share two seeds
// from six on, and `replay_probes` replays of newly labeled images (none below six images), each of
// them twice from twelve on, which gives the test-retest ceiling. A control per kind and seed comes
// before its probes. The same arguments, the same plan. Throws std::invalid_argument naming the
// input.
ProbePlan PlanProbes(const CycleImages& images, int64_t probes, int64_t replay_probes,
                     int64_t batch_size, uint64_t seed);

// `probes` candidate batches of min(batch_size, N) distinct image indices that between them cover
// every cell in different amounts: a third concentrated on one or two cells (each cell has its
// turn), a third spread evenly over a random half of the cells, a third at random. Same seed,
// same plan. No images: no batches. Throws std::invalid_argument on negative numbers.
std::vector<std::vector<int64_t>> PlanSemiSupervised(const Cells& cells,
                                                     const CellAssignment& assignment,
                                                     int64_t probes, int64_t batch_size,
                                                     uint64_t seed);

// Replay: `probes` batches out of the newly labeled images, in contrast to each other: for
// each feature in turn one from the upper and one from the lower half (summed over classes), and
// every fourth one at random. `batch_size` is limited to half of the images.
std::vector<std::vector<int64_t>> PlanReplay(const ImageFeatures& newly_labeled, int64_t probes,
                                             int64_t batch_size, uint64_t seed);

}  // namespace mgral::core
