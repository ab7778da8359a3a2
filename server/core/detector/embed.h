#pragma once

#include <cstdint>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/sample.h"

namespace mgral::core {

// What one pass over an image and its mirror image says of it (equations 4 to 6, docs/method.md).
struct Embedding {
  std::vector<float> embedding;         // [EmbeddingSize], length 1
  std::vector<float> expected_objects;  // [C] sum of scores after suppression, mean of both views
  std::vector<float> uncertainty;       // [C] sum of the scores' binary entropy in nats, likewise
  // >= 0: over the objects of both views, the sum of score x (1 - IoU x (1 - |difference of
  // scores|)) with the best match of the same class in the other view, divided by the root of the
  // sum of scores. 0: the views agree. An image with more unstable objects has more.
  float disagreement = 0;
  std::vector<Detection> detections;  // of the image itself, best first
  // Of the first min(16, detections): what the network saw in their boxes (embed_objects.h), as
  // directions, [objects, ObjectEmbeddingSize].
  std::vector<int8_t> objects;
};

// Length of an embedding: at most 128. Of an object's: at most 32.
int64_t EmbeddingSize(const DetectorConfig& config);
int64_t ObjectEmbeddingSize(const DetectorConfig& config);

// The embedding is the feature maps of the levels (RawOutput), averaged over the image's own area
// and over both views, level beside level, each level normalized; beyond 128 numbers it is brought
// to 128 by a fixed random projection (Johnson-Lindenstrauss). Works on an untrained detector (cold
// start). Deterministic; one entry per sample.
std::vector<Embedding> Embed(const Detector& detector, SampleSource& samples,
                             const PredictConfig& config = {}, const ProgressFn& progress = {},
                             FeatureCache* cache = nullptr);

}  // namespace mgral::core
