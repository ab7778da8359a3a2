#ifndef MGRAL_SERVER_CORE_SELECTOR_POLICY_LAYOUT_H_
#define MGRAL_SERVER_CORE_SELECTOR_POLICY_LAYOUT_H_

#include <cstdint>
#include <vector>

namespace mgral::core {

// Sizes of the policy. A step at time t (equations 24 to 26 of docs/method.md):
//   h_t      = LSTM(input_t), input_t = [embedding of the image taken last, cell inputs of its
//              cell, slopes h_c' of the classes, share of the batch that is taken, its gain]
//   cell k   : (W_query h).(W_key static_k) / sqrt(E) + v.relu(W_cell dynamic_k + W_state h + b)
//              + beta dynamic_k[0]
//   image i  : (W_image h).embedding_i / sqrt(P) + beta_image own_i
// Embeddings are projected once, to P numbers, by a fixed random projection.
inline constexpr int64_t kProjected = 12;  // P
inline constexpr int64_t kHidden = 48;     // of the LSTM
inline constexpr int64_t kKey = 24;        // E
inline constexpr int64_t kCellInputs = 7;  // see rollout.cc
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

inline int64_t StepInputs(int64_t classes) { return kProjected + kCellInputs + classes + 2; }

// Where each tensor lies in PolicyParameters::values; the last entry's end is the total.
inline std::vector<TensorPlace> PolicyLayout(int64_t classes) {
  std::vector<TensorPlace> out = {{4 * kHidden, StepInputs(classes), 0},
                                  {4 * kHidden, kHidden, 0},
                                  {4 * kHidden, 1, 0},
                                  {kKey, kHidden, 0},
                                  {kKey, kCellStatic, 0},
                                  {kCellHidden, kCellInputs, 0},
                                  {kCellHidden, kHidden, 0},
                                  {kCellHidden, 1, 0},
                                  {kCellHidden, 1, 0},
                                  {1, 1, 0},
                                  {kProjected, kHidden, 0},
                                  {1, 1, 0}};
  int64_t offset = 0;
  for (TensorPlace& place : out) {
    place.offset = offset;
    offset += place.rows * place.cols;
  }
  return out;
}

inline int64_t PolicySize(int64_t classes) {
  const TensorPlace last = PolicyLayout(classes).back();
  return last.offset + last.rows * last.cols;
}

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_POLICY_LAYOUT_H_
