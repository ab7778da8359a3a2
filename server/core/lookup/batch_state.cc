#include "server/core/lookup/batch_state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr int64_t kTimedLookups = 2000;

// What the gain is made of: sum_c growth_c f_growth + sum_k coverage_k (covered_k - v_k).
struct Factors {
  std::vector<double> growth;    // [C]
  std::vector<double> coverage;  // [K]
};

// Of each class, what a unit of the feature is worth [C].
std::vector<double> Worth(const LookupTable& table, Feature feature) {
  std::vector<double> out;
  const std::vector<double> slopes = table.ApSlopes();
  for (int64_t c = 0; c < table.classes; ++c) {
    out.push_back(table.kappa * slopes[c] / static_cast<double>(table.classes) *
                  table.weights[c * kNumFeatures + feature]);
  }
  return out;
}

Factors FactorsOf(const LookupTable& table) {
  Factors out;
  out.growth = Worth(table, kGrowth);
  const std::vector<double> coverage = Worth(table, kCoverage);
  for (int64_t k = 0; k < table.cells.count; ++k) {
    double sum = 0;
    for (int64_t c = 0; c < table.classes; ++c) {
      sum += coverage[c] * table.cell_share[k * table.classes + c];
    }
    out.coverage.push_back(sum);
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

// Sums go over 8 lanes at once, so that their order, and with it their bytes, is fixed.
constexpr int kLanes = 8;

template <typename Number>
Number SumOfLanes(Number (&lanes)[kLanes]) {
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

// sum_c factor_c log(1 + added_c unit_c).
float LogSum(const float* factor, const float* added, const float* unit, int64_t classes) {
  float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= classes; c += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      lanes[l] += factor[c + l] * FastLog(1 + added[c + l] * unit[c + l]);
    }
  }
  for (; c < classes; ++c) lanes[c % kLanes] += factor[c] * FastLog(1 + added[c] * unit[c]);
  return SumOfLanes(lanes);
}

// sum_k factor_k max(0, reach_k - covered_k).
double NewlyCovered(const double* factor, const float* covered, const float* reach, int64_t cells) {
  double lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= cells; k += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      lanes[l] += factor[k + l] * std::max(0.0, double{reach[k + l]} - double{covered[k + l]});
    }
  }
  for (; k < cells; ++k) {
    lanes[k % kLanes] += factor[k] * std::max(0.0, double{reach[k]} - double{covered[k]});
  }
  return SumOfLanes(lanes);
}

}  // namespace

BatchState::BatchState(const LookupTable& table, const std::vector<double>& price)
    : table_(&table), price_(price.empty() ? nullptr : price.data()) {
  Factors factors = FactorsOf(table);
  growth_ = std::move(factors.growth);
  coverage_ = std::move(factors.coverage);
  Clear();
}

void BatchState::Clear() {
  known_ = table_->labeled;
  for (double& value : known_) value += 1;
  covered_ = table_->covered;
  counted_.clear();
  count_.assign(table_->cells.count, 0.0);
  taken_.assign(table_->images, false);
  group_count_.assign(table_->groups, 0);
  gain_ = 0;
}

double BatchState::CoverageGain(const float* reach) const {
  return NewlyCovered(coverage_.data(), covered_.data(), reach,
                      static_cast<int64_t>(covered_.size()));
}

double BatchState::GainOf(const float* missed, const float* reach) const {
  double sum = CoverageGain(reach);
  for (int64_t c = 0; c < table_->classes; ++c) {
    if (missed[c] != 0) sum += growth_[c] * std::log1p(missed[c] / known_[c]);
  }
  return sum;
}

double BatchState::GainOfImage(int64_t image) const {
  return GainOf(&table_->missed[image * table_->classes],
                &table_->reach[image * table_->cells.count]);
}

double BatchState::Marginal(int64_t image) const {
  if (taken_[image]) return 0;
  if (GroupTaken(image)) return -Price(image);
  return GainOfImage(image) - Price(image);
}

void BatchState::Grow(int64_t image, int direction) {
  const float* missed = &table_->missed[image * table_->classes];
  for (int64_t c = 0; c < table_->classes; ++c) {
    known_[c] = std::max(table_->labeled[c] + 1, known_[c] + direction * missed[c]);
  }
  count_[table_->cell_of[image]] += direction;
}

void BatchState::Cover(int64_t image) {
  const int64_t cells = table_->cells.count;
  const float* reach = &table_->reach[image * cells];
  for (int64_t k = 0; k < cells; ++k) covered_[k] = std::max(covered_[k], reach[k]);
}

// Only where the image reached furthest does another one take its place.
void BatchState::Uncover(int64_t image) {
  const int64_t cells = table_->cells.count;
  for (int64_t k = 0; k < cells; ++k) {
    if (table_->reach[image * cells + k] < covered_[k]) continue;
    covered_[k] = table_->covered[k];
    for (const int64_t other : counted_) {
      covered_[k] = std::max(covered_[k], table_->reach[other * cells + k]);
    }
  }
}

void BatchState::Add(int64_t image) {
  if (taken_[image]) return;
  taken_[image] = true;
  gain_ -= Price(image);
  if (group_count_[table_->group_of[image]]++ > 0) return;
  gain_ += GainOfImage(image);
  Grow(image, 1);
  Cover(image);
  counted_.push_back(image);
}

void BatchState::Remove(int64_t image) {
  if (!taken_[image]) return;
  taken_[image] = false;
  gain_ += Price(image);
  if (--group_count_[table_->group_of[image]] > 0) return;
  const auto found = std::find_if(counted_.begin(), counted_.end(), [&](int64_t other) {
    return table_->group_of[other] == table_->group_of[image];
  });
  const int64_t counted = *found;  // of its group
  counted_.erase(found);
  Grow(counted, -1);
  Uncover(counted);
  gain_ -= GainOfImage(counted);
}

std::vector<double> BatchState::ClassSlopes() const {
  std::vector<double> slopes = ObjectSlopes();
  for (double& slope : slopes) slope *= static_cast<double>(table_->classes);
  return slopes;
}

std::vector<double> BatchState::ObjectSlopes() const {
  std::vector<double> slopes;
  for (size_t c = 0; c < known_.size(); ++c) slopes.push_back(growth_[c] / known_[c]);
  return slopes;
}

GainEvaluator::GainEvaluator(const LookupTable& table)
    : table_(&table), added_(table.classes), seen_(table.groups, 0) {
  Factors factors = FactorsOf(table);
  growth_.assign(factors.growth.begin(), factors.growth.end());
  coverage_ = std::move(factors.coverage);
  for (const double n : table.labeled) growth_unit_.push_back(static_cast<float>(1 / (n + 1)));
}

double GainEvaluator::Gain(const int64_t* images, int64_t count) {
  const int64_t classes = table_->classes, cells = table_->cells.count;
  if (++call_ == 0) {  // the counter went round: old marks could be mistaken for new ones
    std::fill(seen_.begin(), seen_.end(), 0);
    call_ = 1;
  }
  std::fill(added_.begin(), added_.end(), 0.0f);
  covered_ = table_->covered;
  for (int64_t s = 0; s < count; ++s) {
    const int64_t image = images[s];
    if (image < 0 || image >= table_->images) throw std::out_of_range("image is not in the table");
    uint32_t& seen = seen_[table_->group_of[image]];
    if (seen == call_) continue;
    seen = call_;
    const float* missed = &table_->missed[image * classes];
    for (int64_t c = 0; c < classes; ++c) added_[c] += missed[c];
    const float* reach = &table_->reach[image * cells];
    for (int64_t k = 0; k < cells; ++k) covered_[k] = std::max(covered_[k], reach[k]);
  }
  return LogSum(growth_.data(), added_.data(), growth_unit_.data(), classes) +
         NewlyCovered(coverage_.data(), table_->covered.data(), covered_.data(), cells);
}

std::vector<float> GainsAlone(const LookupTable& table) {
  const std::vector<double> growth = Worth(table, kGrowth), coverage = Worth(table, kCoverage);
  const int64_t classes = table.classes, cells = table.cells.count;
  std::vector<float> gains;
  gains.reserve(table.images * classes);
  std::vector<double> nearer(classes);
  for (int64_t i = 0; i < table.images; ++i) {
    std::fill(nearer.begin(), nearer.end(), 0.0);
    for (int64_t k = 0; k < cells; ++k) {
      const double more = double{table.reach[i * cells + k]} - double{table.covered[k]};
      if (more <= 0) continue;
      for (int64_t c = 0; c < classes; ++c) nearer[c] += more * table.cell_share[k * classes + c];
    }
    for (int64_t c = 0; c < classes; ++c) {
      const double growth_c = std::log1p(table.missed[i * classes + c] / (table.labeled[c] + 1));
      gains.push_back(static_cast<float>(static_cast<double>(classes) *
                                         (growth[c] * growth_c + coverage[c] * nearer[c])));
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
