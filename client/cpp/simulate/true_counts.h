// A positive control: a batch picked by its true labels.
#pragma once

#include <vector>

#include "client/cpp/lib/dataset.h"
#include "mgral/v1/model_service.pb.h"

namespace mgral::client {

// What labeling costs: an image, and each object in it.
struct LabelingSeconds {
  double per_image = 0;
  double per_box = 0;
};

// Of the images in `pool` that are not in `labeled`, up to `count`: greedily the batch with the
// largest gain over the root of its cost, as labeling_price.h looks for it (equation 23a of
// docs/method.md), or, if both seconds are 0, the largest gain. The gain is
//
//   sum_c sqrt(a_c (1 - a_c)) log(1 + o_c / (n_c + 1))
//
// with o_c true objects of class c in what is taken, n_c in `labeled`, and a_c the AP@.5 of
// `accuracy`, in the order of the dataset's classes, kept within [0.05, 0.95] (unknown: 0.05). That
// is the table's own growth (equations 10 and 11 of docs/method.md) with all true objects for
// missed ones. Objects to be ignored do not count. Images are positions in the dataset; ties by the
// order of `pool`.
std::vector<int> PickByTrueCounts(const Dataset& dataset, const std::vector<int>& pool,
                                  const std::vector<int>& labeled, const v1::Accuracy& accuracy,
                                  int count, const LabelingSeconds& seconds = {});

}  // namespace mgral::client
