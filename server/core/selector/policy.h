#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mgral::core {

// Sizes of the policy. A step at time t (equations 24 to 26 of docs/method.md):
//   h_t      = LSTM(input_t), input_t = [embedding of the image taken last, cell inputs of its
//              cell, slopes of the classes, share of the batch that is taken, its gain]
//   cell k   : (W_query h).(W_key static_k) / sqrt(E) + v.relu(W_cell dynamic_k + W_state h + b)
//              + beta dynamic_k[0]
//   image i  : (W_image h).embedding_i / sqrt(P) + beta_image own_i
// Embeddings are projected once, to P numbers, by a fixed random projection.
inline constexpr int64_t kProjected = 12;  // P
inline constexpr int64_t kHidden = 48;     // of the LSTM
inline constexpr int64_t kKey = 24;        // E
inline constexpr int64_t kCellInputs = 5;  // see rollout.cc
inline constexpr int64_t kCellStatic = kProjected + 2;
inline constexpr int64_t kCellHidden = 16;
inline constexpr int64_t kShortlist = 32;  // images of a cell that are pointed among

enum PolicyTensor : int {
  kInputWeight = 0,  // [4 H, In] gates i, f, g, o
  kStateWeight,      // [4 H, H]
  kGateBias,         // [4 H]
  kQueryWeight,      // [E, H]
  kKeyWeight,        // [E, kCellStatic]
  kCellWeight,       // [kCellHidden, kCellInputs]
  kCellState,        // [kCellHidden, H]
  kCellBias,         // [kCellHidden]
  kCellOut,          // [kCellHidden]
  kCellBeta,         // [1]
  kImageWeight,      // [P, H]
  kImageBeta,        // [1]
  kPolicyTensors,
};

struct TensorPlace {
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t offset = 0;
};

// Numbers that go into the LSTM at each step.
int64_t StepInputs(int64_t classes);

// Where each tensor lies in PolicyParameters::values; the last entry's end is the total.
std::vector<TensorPlace> PolicyLayout(int64_t classes);
int64_t PolicySize(int64_t classes);

// Parameters of the selector, an LSTM policy (equations 24 to 26 of docs/method.md): plain arrays,
// so that a rollout needs no torch. Shapes depend on the number of classes only: a policy can be
// carried over to another state of the pool, with other cells and images.
struct PolicyParameters {
  int64_t classes = 0;
  std::vector<float> values;  // all parameters, in the order of PolicyTensor
  int64_t updates = 0;        // policy-gradient updates behind them, over all warm starts

  bool empty() const { return values.empty(); }
  std::string Serialize() const;
  // Throws std::invalid_argument for anything that Serialize did not write.
  static PolicyParameters Parse(const std::string& bytes);
};

// Seeded initial parameters; the policy starts close to sampling by marginal gain.
PolicyParameters InitialPolicy(int64_t classes, uint64_t seed);

}  // namespace mgral::core
