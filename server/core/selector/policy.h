#ifndef MGRAL_SERVER_CORE_SELECTOR_POLICY_H_
#define MGRAL_SERVER_CORE_SELECTOR_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// Parameters of the LSTM policy (equations 24 to 26 of docs/method.md): plain arrays, so that a
// rollout needs no torch. Shapes depend on the number of classes only: a policy can be carried over
// to another state of the pool, with other cells and images.
struct PolicyParameters {
  int64_t classes = 0;
  std::vector<float> values;  // all parameters, in the order of policy_layout.h
  int64_t updates = 0;        // policy-gradient updates behind them, over all warm starts

  bool empty() const { return values.empty(); }
  std::string Serialize() const;
  // Throws std::invalid_argument for anything that Serialize did not write.
  static PolicyParameters Parse(const std::string& bytes);
};

// Seeded initial parameters; the policy starts close to sampling by marginal gain.
PolicyParameters InitialPolicy(int64_t classes, uint64_t seed);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_POLICY_H_
