#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// What random batches are worth by a table.
struct RandomGain {
  // [F] mean over batches and classes of s_c f_fc(S): the gain per unit of the weight, kappa = 1.
  std::vector<double> per_weight;
  // How the pool's kappa should differ from that of the prior (equation 19a of docs/method.md).
  double level = 1;
};

// Of batches that are as many as the labeled images, or all candidates if these are fewer. Its
// level is 1 if there are no such batches. Deterministic.
RandomGain GainOfRandomBatches(const LookupTable& table);

// ln(1 + R / labeled) for such a batch of R images. Both counts are above 0.
double LogGrowth(int64_t labeled, int64_t candidates);

// sqrt(log_images / gain), kept within the bounds of prior.h: a batch that multiplies the labeled
// images by exp(log_images) gains `gain` by its features, with kappa = 1.
double LevelOf(double log_images, double gain);

}  // namespace mgral::core
