#pragma once

#include <cstdint>
#include <vector>

#include "server/core/selector/strategies.h"

namespace mgral::core {

// The objects of the candidates with an embedding each, for strategies that compare objects: those
// of RankInput::objects; where the detector gives none, the 16 best of each image, all with the
// embedding of the image.
class PoolObjects {
 public:
  struct Object {
    int32_t label = 0;
    float score = 0;
  };

  // `input` must outlive it. Throws std::invalid_argument naming the field: also where neither
  // objects nor images have embeddings.
  explicit PoolObjects(const RankInput& input);

  int64_t dim() const { return dim_; }
  int64_t Count(int64_t image) const { return first_[image + 1] - first_[image]; }
  // The k-th object of an image, best score first where the detector sorts them.
  const Object& At(int64_t image, int64_t k) const { return objects_[first_[image] + k]; }
  // Its embedding [dim], of length 1, or 0 where all its numbers are.
  void Embedding(int64_t image, int64_t k, float* out) const;

 private:
  const RankInput& input_;
  int64_t dim_ = 0;
  std::vector<int64_t> first_;  // [N + 1]
  std::vector<Object> objects_;
};

}  // namespace mgral::core
