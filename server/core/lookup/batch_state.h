#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// The gain of a batch that grows and shrinks by one image: O(C + pairs of the cell) per call.
// Refers to `table`, which must outlive it. Not thread-safe; copies are cheap (O(K + C + N/8)).
class BatchState {
 public:
  explicit BatchState(const LookupTable& table);

  void Clear();
  // gain(S + i) - gain(S). 0 for an image that is taken or whose near-duplicate is.
  double Marginal(int64_t image) const;
  // What one more image of the cell is worth when its own term a[] is left out.
  double CellMarginal(int64_t cell) const;
  void Add(int64_t image);     // taking a taken image again changes nothing
  void Remove(int64_t image);  // removing what is not taken changes nothing
  bool Taken(int64_t image) const { return taken_[image]; }
  // The image or a near-duplicate of it is taken: it would add nothing.
  bool GroupTaken(int64_t image) const { return group_count_[table_->group_of[image]] > 0; }
  double Gain() const { return gain_; }
  double CellCount(int64_t cell) const { return count_[cell]; }
  // rho_k^n_k: what share of a first image's worth the next one of the cell has.
  double CellDecay(int64_t cell) const { return power_[cell]; }
  // For each cell the most that one image of it and one of a partner cell would add together
  // through their pair, to first order; 0 without pairs. [K]
  std::vector<double> PairPotential() const;
  // h_c'(x_c) [C].
  std::vector<double> ClassSlopes() const;
  const LookupTable& table() const { return *table_; }

 private:
  void Shift(int64_t image, int direction);
  double PairSum(int64_t cell, double psi_change, int64_t c) const;

  const LookupTable* table_;
  std::vector<std::vector<int32_t>> pairs_of_;  // [K] -> indices of pairs
  std::vector<double> count_;                   // n_k, groups
  std::vector<double> power_;                   // rho_k^n_k
  std::vector<double> x_;                       // [C]
  std::vector<double> head_;                    // 1 - AP_c, kept away from 0
  std::vector<double> value_;                   // h_c(x_c)
  std::vector<bool> taken_;                     // [N]
  std::vector<int32_t> group_count_;            // [groups]
  double gain_ = 0;
};

// gain(S) of many batches over one table, without allocating per call: the policy's reward. About a
// microsecond per hundred images. Near-duplicates count once, repeated images too. Not thread-safe.
class GainEvaluator {
 public:
  explicit GainEvaluator(const LookupTable& table);
  double Gain(const int64_t* images, int64_t count);
  double Gain(const std::vector<int64_t>& images) { return Gain(images.data(), images.size()); }

 private:
  const LookupTable* table_;
  std::vector<double> head_;
  std::vector<double> phi_, psi_;  // [K, kTabulated]
  std::vector<int32_t> count_;     // [K]
  std::vector<uint32_t> seen_;     // [groups], the call that saw it
  std::vector<float> x_;
  uint32_t call_ = 0;
};

// Gain per class of each image alone [N, C]: n_k = 1, so phi is 1 and there are no pairs.
std::vector<float> GainsAlone(const LookupTable& table);

// Wall time of one look-up of the gain of a batch of that size, by trying; 0 without images.
double SecondsPerLookup(const LookupTable& table, int64_t batch_size);

// h_c and its slope; `head` is 1 - AP_c (kept >= 1e-3).
double Saturate(double x, double head);
double SaturateSlope(double x, double head);

}  // namespace mgral::core
