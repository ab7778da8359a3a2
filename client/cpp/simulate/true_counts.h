// A positive control: a batch picked by its true labels.
#pragma once

#include <vector>

#include "client/cpp/lib/dataset.h"
#include "mgral/v1/model_service.pb.h"

namespace mgral::client {

// Of the images in `pool` that are not in `labeled`, up to `count`: the one comes next that raises
//
//   sum_c sqrt(a_c (1 - a_c)) log(1 + o_c / (n_c + 1))
//
// most, with o_c true objects of class c in what is taken, n_c in `labeled`, and a_c the AP@.5 of
// `accuracy`, in the order of the dataset's classes, kept within [0.05, 0.95] (unknown: 0.05). That
// is the table's own growth (equations 10 and 11 of docs/method.md) with true counts for expected
// ones. Objects to be ignored do not count. Images are positions in the dataset; ties by the order
// of `pool`. Exact.
std::vector<int> PickByTrueCounts(const Dataset& dataset, const std::vector<int>& pool,
                                  const std::vector<int>& labeled, const v1::Accuracy& accuracy,
                                  int count);

}  // namespace mgral::client
