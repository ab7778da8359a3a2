#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/selector/select_queue.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {

// Throws std::invalid_argument naming `field` unless `values` holds `images` x `dim` numbers.
void CheckEmbeddings(const std::vector<float>& values, int64_t images, int64_t dim,
                     const std::string& field);

// What strategies that keep away from labeled images are given: how many `labeled` are. Throws
// std::invalid_argument naming what is wrong.
int64_t CheckSpread(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                    const std::vector<float>& labeled, int64_t n);

// How many images the labeled embeddings are of. Throws std::invalid_argument naming
// "labeled_embeddings" unless they are of candidates.dim numbers each, or "dim" if there are
// candidates without embeddings.
int64_t LabeledEmbeddings(const RankInput& input);

// Throws std::invalid_argument naming the input that is wrong.
void CheckSelection(const LookupTable& table, const std::vector<float>& embeddings,
                    const SelectorOptions& options);

// Images that the queue should hold, if there are so many.
int64_t QueueLength(const SelectorOptions& options);

}  // namespace mgral::core
