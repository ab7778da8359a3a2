#include "server/core/selector/check_selection.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr int64_t kMostImages = int64_t{1} << 31;
constexpr int64_t kDefaultBatches = 4;

void Want(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

}  // namespace

void CheckEmbeddings(const std::vector<float>& values, int64_t images, int64_t dim,
                     const std::string& field) {
  if (images < 0) throw std::invalid_argument("images: must not be negative");
  if (dim < 0) throw std::invalid_argument("dim: must not be negative");
  if (static_cast<int64_t>(values.size()) != images * dim) {
    throw std::invalid_argument(field + ": has a wrong number of values");
  }
  for (float value : values) {
    if (!(std::fabs(value) < 1e15f)) {
      throw std::invalid_argument(field + ": holds a value that is not finite");
    }
  }
}

int64_t CheckSpread(const std::vector<float>& embeddings, int64_t images, int64_t dim,
                    const std::vector<float>& labeled, int64_t n) {
  CheckEmbeddings(embeddings, images, dim, "embeddings");
  Want(n >= 0, "n: must not be negative");
  Want(images == 0 || dim > 0, "dim: must be positive");
  const int64_t known = dim > 0 ? static_cast<int64_t>(labeled.size()) / dim : 0;
  CheckEmbeddings(labeled, known, dim, "labeled");
  return known;
}

int64_t LabeledEmbeddings(const RankInput& input) {
  const int64_t dim = input.candidates.dim;
  if (dim == 0) {
    Want(input.candidates.images == 0, "dim: must be positive");
    return 0;
  }
  const int64_t labeled = static_cast<int64_t>(input.labeled_embeddings.size()) / dim;
  CheckEmbeddings(input.labeled_embeddings, labeled, dim, "labeled_embeddings");
  return labeled;
}

void CheckSelection(const LookupTable& table, const std::vector<float>& embeddings,
                    const SelectorOptions& options) {
  CheckTable(table);
  Want(static_cast<int64_t>(table.cells.centroids.size()) == table.cells.count * table.cells.dim,
       "cells.centroids: are missing");
  Want(static_cast<int64_t>(table.cells.tightness.size()) == table.cells.count,
       "cells.tightness: is missing");
  CheckEmbeddings(embeddings, table.images, table.cells.dim, "embeddings");
  Want(options.batch_size > 0 && options.batch_size < kMostImages, "batch_size: out of range");
  Want(options.queue_limit >= 0 && options.queue_limit < kMostImages, "queue_limit: out of range");
  Want(options.updates >= 0, "updates: must not be negative");
  Want(options.episodes >= 2 && options.episodes <= 1024, "episodes: out of range");
  Want(std::isfinite(options.learning_rate) && options.learning_rate > 0,
       "learning_rate: must be positive");
  Want(std::isfinite(options.entropy_bonus) && options.entropy_bonus >= 0,
       "entropy_bonus: must not be negative");
  Want(options.price.empty() || static_cast<int64_t>(options.price.size()) == table.images,
       "price: has a wrong number of values");
  for (const double price : options.price) {
    Want(std::isfinite(price) && price >= 0, "price: must not be negative");
  }
  Want(std::isfinite(options.posterior_scale) && options.posterior_scale >= 0,
       "posterior_scale: must not be negative");
}

int64_t QueueLength(const SelectorOptions& options) {
  return options.queue_limit == 0 ? kDefaultBatches * options.batch_size
                                  : std::max(options.queue_limit, options.batch_size);
}

}  // namespace mgral::core
