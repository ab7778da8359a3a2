#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/table.h"

namespace mgral::core {

// The gain of a batch, less what its labels are to bring, as it grows and shrinks by one image:
// O(C + K) per call, but to take an image out again, O(|S|) for each cell that it reached furthest.
// Refers to `table` and `price`, which must outlive it. Not thread-safe; copies are cheap
// (O(C + K + N)).
class BatchState {
 public:
  // `price` [N], in AP, is what each image has to bring; empty: nothing.
  explicit BatchState(const LookupTable& table, const std::vector<double>& price = {});

  void Clear();
  // Gain(S + i) - Gain(S), without a price 0 for an image whose near-duplicate is taken. 0 for one
  // that is taken.
  double Marginal(int64_t image) const;
  double Price(int64_t image) const { return price_ == nullptr ? 0 : price_[image]; }
  // The same without its price for any image with these missed objects [C] and this reach [K].
  double GainOf(const float* missed, const float* reach) const;
  double CoverageGain(const float* reach) const;  // the part of it that is coverage
  void Add(int64_t image);                        // taking a taken image again changes nothing
  void Remove(int64_t image);                     // removing what is not taken changes nothing
  bool Taken(int64_t image) const { return taken_[image]; }
  // The image or a near-duplicate of it is taken: it would add nothing.
  bool GroupTaken(int64_t image) const { return group_count_[table_->group_of[image]] > 0; }
  double Gain() const { return gain_; }
  // Images of the batch in the cell, near-duplicates once.
  double CellCount(int64_t cell) const { return count_[cell]; }
  // The derivative of the class's gain by its missed objects M_c [C].
  std::vector<double> ClassSlopes() const;
  // The derivative of the gain by M_c [C].
  std::vector<double> ObjectSlopes() const;
  const LookupTable& table() const { return *table_; }

 private:
  double GainOfImage(int64_t image) const;
  void Grow(int64_t image, int direction);
  void Cover(int64_t image);
  void Uncover(int64_t image);

  const LookupTable* table_;
  const double* price_;               // [N] or null
  std::vector<double> growth_;        // [C] factor of the class's log growth in the gain
  std::vector<double> coverage_;      // [K] gain per unit of the cell's coverage
  std::vector<double> known_;         // [C] n_c + 1 + M_c
  std::vector<float> covered_;        // [K] largest reach of an image that is labeled or taken
  std::vector<int64_t> counted_;      // images taken, one of each group of near-duplicates
  std::vector<double> count_;         // [K]
  std::vector<bool> taken_;           // [N]
  std::vector<int32_t> group_count_;  // [groups]
  double gain_ = 0;
};

// gain(S) of many batches over one table, without allocating per call: the policy's reward. A few
// microseconds per hundred images. Near-duplicates count once, repeated images too. Not
// thread-safe.
class GainEvaluator {
 public:
  explicit GainEvaluator(const LookupTable& table);
  // Throws std::out_of_range for an image that is not in [0, N).
  double Gain(const int64_t* images, int64_t count);
  double Gain(const std::vector<int64_t>& images) { return Gain(images.data(), images.size()); }

 private:
  const LookupTable* table_;
  std::vector<float> growth_, growth_unit_;  // [C] factor of the logarithm, 1 / (n_c + 1)
  std::vector<double> coverage_;             // [K] factor
  std::vector<float> added_;                 // [C] M_c
  std::vector<float> covered_;               // [K]
  std::vector<uint32_t> seen_;               // [groups], the call that saw it
  uint32_t call_ = 0;
};

// Gain per class of each image alone [N, C].
std::vector<float> GainsAlone(const LookupTable& table);

// Wall time of one look-up of the gain of a batch of that size, by trying; 0 without images.
double SecondsPerLookup(const LookupTable& table, int64_t batch_size);

}  // namespace mgral::core
