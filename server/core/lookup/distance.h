#pragma once

#include <cstdint>

namespace mgral::core {

// Squared Euclidean distance of two vectors of `dim` floats. The sum is taken in a fixed order for
// a given CPU, so that equal inputs give equal bytes. Thread-safe.
float SquaredDistance(const float* a, const float* b, int64_t dim);

// The smallest of `bound` and the squared distances of `point` to `count` rows of `rows`
// [count, dim]; *nearest is set to the row that gave it and left alone when `bound` stays.
float NearestRow(const float* point, const float* rows, int64_t count, int64_t dim, float bound,
                 int64_t* nearest);

}  // namespace mgral::core
