#include "server/core/lookup/batch_state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace mgral::core {
namespace {

constexpr double kSmallestHead = 1e-3;
constexpr int64_t kTimedLookups = 2000;
constexpr int kTabulated = 64;  // counts whose phi and psi are kept ready

std::vector<double> Heads(const LookupTable& table) {
  std::vector<double> head;
  for (double ap : table.class_ap) head.push_back(std::max(kSmallestHead, 1 - ap));
  return head;
}

}  // namespace

double Saturate(double x, double head) { return x > 0 ? -head * std::expm1(-x / head) : x; }

double SaturateSlope(double x, double head) { return x > 0 ? std::exp(-x / head) : 1.0; }

BatchState::BatchState(const LookupTable& table)
    : table_(&table), pairs_of_(table.cells.count), head_(Heads(table)) {
  for (size_t p = 0; p < table.pairs.size(); ++p) {
    pairs_of_[table.pairs[p].k].push_back(static_cast<int32_t>(p));
    pairs_of_[table.pairs[p].l].push_back(static_cast<int32_t>(p));
  }
  Clear();
}

void BatchState::Clear() {
  count_.assign(table_->cells.count, 0.0);
  power_.assign(table_->cells.count, 1.0);
  x_.assign(table_->classes, 0.0);
  value_.assign(table_->classes, 0.0);
  taken_.assign(table_->images, false);
  group_count_.assign(table_->groups, 0);
  gain_ = 0;
}

double BatchState::PairSum(int64_t cell, double psi_change, int64_t c) const {
  double sum = 0;
  for (int32_t p : pairs_of_[cell]) {
    const CellPair& pair = table_->pairs[p];
    const int32_t other = pair.k == cell ? pair.l : pair.k;
    sum += table_->pair_gain[p * table_->classes + c] * (1 - power_[other]);
  }
  return sum * psi_change;
}

double BatchState::CellMarginal(int64_t cell) const {
  const double power = power_[cell];
  const double psi_change = power * (1 - table_->rho[cell]);
  const float* gain = &table_->cell_gain[cell * table_->classes];
  const bool paired = !pairs_of_[cell].empty();
  double sum = 0;
  for (int64_t c = 0; c < table_->classes; ++c) {
    double x = x_[c] + gain[c] * power;
    if (paired) x += PairSum(cell, psi_change, c);
    sum += Saturate(x, head_[c]) - value_[c];
  }
  return sum / static_cast<double>(table_->classes);
}

double BatchState::Marginal(int64_t image) const {
  if (taken_[image] || group_count_[table_->group_of[image]] > 0) return 0;
  const int32_t cell = table_->cell_of[image];
  const double power = power_[cell];
  const double psi_change = power * (1 - table_->rho[cell]);
  const float* gain = &table_->cell_gain[cell * table_->classes];
  const float* own = &table_->image_gain[image * table_->classes];
  const bool paired = !pairs_of_[cell].empty();
  double sum = 0;
  for (int64_t c = 0; c < table_->classes; ++c) {
    double x = x_[c] + gain[c] * power + own[c];
    if (paired) x += PairSum(cell, psi_change, c);
    sum += Saturate(x, head_[c]) - value_[c];
  }
  return sum / static_cast<double>(table_->classes);
}

void BatchState::Shift(int64_t image, int direction) {
  const int32_t cell = table_->cell_of[image];
  const double count = count_[cell] + direction;
  const double power = std::pow(table_->rho[cell], count);
  const double psi_change = power_[cell] - power;
  const double phi_change = psi_change / (1 - table_->rho[cell]);
  const float* gain = &table_->cell_gain[cell * table_->classes];
  const float* own = &table_->image_gain[image * table_->classes];
  const bool paired = !pairs_of_[cell].empty();
  gain_ = 0;
  for (int64_t c = 0; c < table_->classes; ++c) {
    x_[c] += gain[c] * phi_change + direction * own[c];
    if (paired) x_[c] += PairSum(cell, psi_change, c);
    value_[c] = Saturate(x_[c], head_[c]);
    gain_ += value_[c];
  }
  gain_ /= static_cast<double>(table_->classes);
  count_[cell] = count;
  power_[cell] = power;
}

void BatchState::Add(int64_t image) {
  if (taken_[image]) return;
  taken_[image] = true;
  if (group_count_[table_->group_of[image]]++ == 0) Shift(image, 1);
}

void BatchState::Remove(int64_t image) {
  if (!taken_[image]) return;
  taken_[image] = false;
  if (--group_count_[table_->group_of[image]] == 0) Shift(image, -1);
}

std::vector<double> BatchState::PairPotential() const {
  std::vector<double> out(count_.size(), 0.0);
  const std::vector<double> slopes = ClassSlopes();
  for (size_t p = 0; p < table_->pairs.size(); ++p) {
    const CellPair& pair = table_->pairs[p];
    double sum = 0;
    for (int64_t c = 0; c < table_->classes; ++c) {
      sum += slopes[c] * table_->pair_gain[p * table_->classes + c];
    }
    const double now = (1 - power_[pair.k]) * (1 - power_[pair.l]);
    const double then =
        (1 - power_[pair.k] * table_->rho[pair.k]) * (1 - power_[pair.l] * table_->rho[pair.l]);
    sum *= (then - now) / static_cast<double>(table_->classes);
    out[pair.k] = std::max(out[pair.k], sum);
    out[pair.l] = std::max(out[pair.l], sum);
  }
  return out;
}

std::vector<double> BatchState::ClassSlopes() const {
  std::vector<double> slopes(x_.size());
  for (size_t c = 0; c < x_.size(); ++c) slopes[c] = SaturateSlope(x_[c], head_[c]);
  return slopes;
}

GainEvaluator::GainEvaluator(const LookupTable& table)
    : table_(&table),
      head_(Heads(table)),
      phi_(table.cells.count * kTabulated),
      psi_(table.cells.count * kTabulated),
      count_(table.cells.count, 0),
      seen_(table.groups, 0),
      x_(table.classes) {
  for (int64_t k = 0; k < table.cells.count; ++k) {
    for (int n = 0; n < kTabulated; ++n) {
      psi_[k * kTabulated + n] = 1 - std::pow(table.rho[k], n);
      phi_[k * kTabulated + n] = psi_[k * kTabulated + n] / (1 - table.rho[k]);
    }
  }
}

double GainEvaluator::Gain(const int64_t* images, int64_t count) {
  const int64_t classes = table_->classes;
  if (++call_ == 0) {  // the counter went round: old marks could be mistaken for new ones
    std::fill(seen_.begin(), seen_.end(), 0);
    call_ = 1;
  }
  std::fill(count_.begin(), count_.end(), 0);
  std::fill(x_.begin(), x_.end(), 0.0f);
  for (int64_t s = 0; s < count; ++s) {
    const int64_t image = images[s];
    if (image < 0 || image >= table_->images) throw std::out_of_range("image is not in the table");
    uint32_t& seen = seen_[table_->group_of[image]];
    if (seen == call_) continue;
    seen = call_;
    ++count_[table_->cell_of[image]];
    const float* own = &table_->image_gain[image * classes];
    for (int64_t c = 0; c < classes; ++c) x_[c] += own[c];
  }
  const auto phi = [&](int64_t k, const std::vector<double>& tabulated, double divisor) {
    if (count_[k] < kTabulated) return tabulated[k * kTabulated + count_[k]];
    return (1 - std::pow(table_->rho[k], count_[k])) / divisor;
  };
  for (int64_t k = 0; k < table_->cells.count; ++k) {
    if (count_[k] == 0) continue;
    const float share = static_cast<float>(phi(k, phi_, 1 - table_->rho[k]));
    const float* gain = &table_->cell_gain[k * classes];
    for (int64_t c = 0; c < classes; ++c) x_[c] += gain[c] * share;
  }
  for (size_t p = 0; p < table_->pairs.size(); ++p) {
    const CellPair& pair = table_->pairs[p];
    if (count_[pair.k] == 0 || count_[pair.l] == 0) continue;
    const float share = static_cast<float>(phi(pair.k, psi_, 1) * phi(pair.l, psi_, 1));
    const float* gain = &table_->pair_gain[p * classes];
    for (int64_t c = 0; c < classes; ++c) x_[c] += gain[c] * share;
  }
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += Saturate(x_[c], head_[c]);
  return sum / static_cast<double>(classes);
}

std::vector<float> GainsAlone(const LookupTable& table) {
  const std::vector<double> head = Heads(table);
  std::vector<float> gains;
  gains.reserve(table.images * table.classes);
  for (int64_t i = 0; i < table.images; ++i) {
    for (int64_t c = 0; c < table.classes; ++c) {
      const double x = table.cell_gain[table.cell_of[i] * table.classes + c] +
                       table.image_gain[i * table.classes + c];
      gains.push_back(static_cast<float>(Saturate(x, head[c])));
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
