#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/geometry/box.h"

namespace mgral::core {

// The longest embedding, of an image and of an object; longer feature vectors are projected.
inline constexpr int64_t kMaxEmbedding = 128, kMaxObjectEmbedding = 32;

// [size, most], a fixed random projection (Johnson-Lindenstrauss); undefined up to `most` numbers,
// where none is needed.
at::Tensor EmbeddingProjection(int64_t size, int64_t most = kMaxEmbedding);
// Features [N, size] as embeddings [N, min(size, most)] of length 1; 0 where they are 0.
at::Tensor ToEmbeddings(const at::Tensor& features, const at::Tensor& projection);
// The same for features given as they may come: finite, of any length. values [N, size].
std::vector<std::vector<float>> ToEmbeddings(const std::vector<float>& values, int64_t size);

// Adds `weight` times the scores, and times their binary entropies in nats, to the detections'
// classes (equations 4 and 5 of docs/method.md). Both [C].
void AddCounts(const std::vector<Detection>& detections, float weight,
               std::vector<float>* expected_objects, std::vector<float>* uncertainty);

}  // namespace mgral::core
