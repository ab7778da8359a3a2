#include "server/core/lookup/batch_state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr int64_t kTimedLookups = 2000;

// What the gain of the batch is made of: gain = sum_c growth_c f_growth + sum_kc local_kc log(...).
struct Factors {
  std::vector<double> growth;  // [C]
  std::vector<double> local;   // [K, C]
};

Factors FactorsOf(const LookupTable& table) {
  Factors out;
  const std::vector<double> slopes = table.ApSlopes();
  std::vector<double> local;
  for (int64_t c = 0; c < table.classes; ++c) {
    const double unit = table.kappa * slopes[c] / static_cast<double>(table.classes);
    out.growth.push_back(unit * table.weights[c * kNumFeatures + kGrowth]);
    local.push_back(unit * table.weights[c * kNumFeatures + kLocal]);
  }
  for (size_t kc = 0; kc < table.cell_share.size(); ++kc) {
    out.local.push_back(local[kc % table.classes] * table.cell_share[kc]);
  }
  return out;
}

// log(x) of x in [1, 1e30] to 2e-7: branch-free, so that the compiler can take several at a time.
// The exponent is read off; the rest, within sqrt(1/2) of 1, is a polynomial (Cephes, logf).
inline float FastLog(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t shifted = bits - 0x3f3504f3u;  // of sqrt(1/2)
  const float exponent = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  bits = (shifted & 0x007fffffu) + 0x3f3504f3u;
  float m;
  std::memcpy(&m, &bits, sizeof(m));
  m -= 1;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float square = m * m;
  return m + square * (m * p - 0.5f) + 0.69314718056f * exponent;
}

// sum_c factor_c log(1 + added_c unit_c), in a fixed order of summation.
float LogSum(const float* factor, const float* added, const float* unit, int64_t classes) {
  constexpr int kLanes = 8;
  float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= classes; c += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      lanes[l] += factor[c + l] * FastLog(1 + added[c + l] * unit[c + l]);
    }
  }
  for (; c < classes; ++c) lanes[c % kLanes] += factor[c] * FastLog(1 + added[c] * unit[c]);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

}  // namespace

BatchState::BatchState(const LookupTable& table, const std::vector<double>& price)
    : table_(&table), price_(price.empty() ? nullptr : price.data()) {
  Factors factors = FactorsOf(table);
  growth_ = std::move(factors.growth);
  local_ = std::move(factors.local);
  Clear();
}

void BatchState::Clear() {
  known_ = table_->labeled;
  for (double& value : known_) value += 1;
  cell_known_ = table_->labeled_in_cell;
  for (double& value : cell_known_) value += kCellOffset;
  count_.assign(table_->cells.count, 0.0);
  taken_.assign(table_->images, false);
  group_count_.assign(table_->groups, 0);
  gain_ = 0;
}

double BatchState::CellMarginal(int64_t cell, const float* expected) const {
  const int64_t classes = table_->classes;
  const double* local = &local_[cell * classes];
  const double* cell_known = &cell_known_[cell * classes];
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) {
    if (expected[c] == 0) continue;
    sum += growth_[c] * std::log1p(expected[c] / known_[c]) +
           local[c] * std::log1p(expected[c] / cell_known[c]);
  }
  return sum;
}

double BatchState::Marginal(int64_t image) const {
  if (taken_[image]) return 0;
  if (GroupTaken(image)) return -Price(image);
  return CellMarginal(table_->cell_of[image], &table_->expected[image * table_->classes]) -
         Price(image);
}

void BatchState::Shift(int64_t image, int direction) {
  const int64_t classes = table_->classes, cell = table_->cell_of[image];
  const float* expected = &table_->expected[image * classes];
  double* cell_known = &cell_known_[cell * classes];
  if (direction > 0) gain_ += CellMarginal(cell, expected);
  for (int64_t c = 0; c < classes; ++c) {
    known_[c] = std::max(table_->labeled[c] + 1, known_[c] + direction * expected[c]);
    cell_known[c] = std::max(table_->labeled_in_cell[cell * classes + c] + kCellOffset,
                             cell_known[c] + direction * expected[c]);
  }
  if (direction < 0) gain_ -= CellMarginal(cell, expected);
  count_[cell] += direction;
}

void BatchState::Add(int64_t image) {
  if (taken_[image]) return;
  taken_[image] = true;
  gain_ -= Price(image);
  if (group_count_[table_->group_of[image]]++ == 0) Shift(image, 1);
}

void BatchState::Remove(int64_t image) {
  if (!taken_[image]) return;
  taken_[image] = false;
  gain_ += Price(image);
  if (--group_count_[table_->group_of[image]] == 0) Shift(image, -1);
}

std::vector<double> BatchState::ClassSlopes() const {
  std::vector<double> slopes;
  for (size_t c = 0; c < known_.size(); ++c) {
    slopes.push_back(growth_[c] * static_cast<double>(table_->classes) / known_[c]);
  }
  return slopes;
}

std::vector<double> BatchState::ObjectSlopes(int64_t cell) const {
  std::vector<double> slopes;
  for (int64_t c = 0; c < table_->classes; ++c) {
    const int64_t kc = cell * table_->classes + c;
    slopes.push_back(growth_[c] / known_[c] + local_[kc] / cell_known_[kc]);
  }
  return slopes;
}

GainEvaluator::GainEvaluator(const LookupTable& table)
    : table_(&table),
      added_(table.classes),
      cell_added_(table.cells.count * table.classes),
      cell_seen_(table.cells.count, 0),
      seen_(table.groups, 0) {
  const Factors factors = FactorsOf(table);
  growth_.assign(factors.growth.begin(), factors.growth.end());
  local_.assign(factors.local.begin(), factors.local.end());
  for (const double n : table.labeled) growth_unit_.push_back(static_cast<float>(1 / (n + 1)));
  for (const double n : table.labeled_in_cell) {
    local_unit_.push_back(static_cast<float>(1 / (n + kCellOffset)));
  }
}

double GainEvaluator::Gain(const int64_t* images, int64_t count) {
  const int64_t classes = table_->classes;
  if (++call_ == 0) {  // the counter went round: old marks could be mistaken for new ones
    std::fill(seen_.begin(), seen_.end(), 0);
    std::fill(cell_seen_.begin(), cell_seen_.end(), 0);
    call_ = 1;
  }
  touched_.clear();
  for (int64_t s = 0; s < count; ++s) {
    const int64_t image = images[s];
    if (image < 0 || image >= table_->images) throw std::out_of_range("image is not in the table");
    uint32_t& seen = seen_[table_->group_of[image]];
    if (seen == call_) continue;
    seen = call_;
    const int32_t cell = table_->cell_of[image];
    float* sum = &cell_added_[cell * classes];
    if (cell_seen_[cell] != call_) {
      cell_seen_[cell] = call_;
      touched_.push_back(cell);
      std::fill(sum, sum + classes, 0.0f);
    }
    const float* expected = &table_->expected[image * classes];
    for (int64_t c = 0; c < classes; ++c) sum[c] += expected[c];
  }
  std::fill(added_.begin(), added_.end(), 0.0f);
  double gain = 0;
  for (const int32_t cell : touched_) {
    const float* sum = &cell_added_[cell * classes];
    for (int64_t c = 0; c < classes; ++c) added_[c] += sum[c];
    gain += LogSum(&local_[cell * classes], sum, &local_unit_[cell * classes], classes);
  }
  return gain + LogSum(growth_.data(), added_.data(), growth_unit_.data(), classes);
}

std::vector<float> GainsAlone(const LookupTable& table) {
  const Factors factors = FactorsOf(table);
  const int64_t classes = table.classes;
  std::vector<float> gains;
  gains.reserve(table.images * classes);
  for (int64_t i = 0; i < table.images; ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t kc = table.cell_of[i] * classes + c;
      const double expected = table.expected[i * classes + c];
      gains.push_back(static_cast<float>(
          static_cast<double>(classes) *
          (factors.growth[c] * std::log1p(expected / (table.labeled[c] + 1)) +
           factors.local[kc] * std::log1p(expected / (table.labeled_in_cell[kc] + kCellOffset)))));
    }
  }
  return gains;
}

double SecondsPerLookup(const LookupTable& table, int64_t batch_size) {
  if (table.images == 0 || batch_size <= 0) return 0;
  GainEvaluator evaluator(table);
  std::vector<int64_t> batch;
  for (int64_t i = 0; i < batch_size; ++i) batch.push_back((i * 7919) % table.images);
  double sum = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < kTimedLookups; ++i) {
    batch[i % batch_size] = i % table.images;
    sum += evaluator.Gain(batch);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return std::isfinite(sum) ? elapsed.count() / kTimedLookups : 0;
}

}  // namespace mgral::core
