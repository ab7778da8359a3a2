#include "server/core/lookup/estimate.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "server/core/lookup/batch_state.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

// How a batch reads the table: x_c = unit terms times these.
struct Reading {
  std::vector<double> phi;        // [K]
  std::vector<double> pair;       // [P]
  std::vector<double> x;          // [C] posterior mean
  std::vector<double> deviation;  // [C, kNumImageFeatures], summed, scaled
};

Reading Read(const LookupTable& table, const std::vector<int64_t>& images) {
  const int64_t classes = table.classes, cells = table.cells.count;
  Reading out;
  out.phi.resize(cells);
  out.x.assign(classes, 0.0);
  out.deviation.assign(classes * kNumImageFeatures, 0.0);
  std::vector<int64_t> count(cells, 0);
  std::vector<bool> seen(table.groups, false);
  for (int64_t image : images) {
    if (image < 0 || image >= table.images) {
      throw std::out_of_range("image " + std::to_string(image) + " is not in the table");
    }
    const int32_t group = table.group_of[image];
    if (seen[group]) continue;
    seen[group] = true;
    ++count[table.cell_of[image]];
    for (int64_t c = 0; c < classes; ++c) out.x[c] += table.image_gain[image * classes + c];
    if (table.deviation.empty()) continue;
    const float* deviation = &table.deviation[image * classes * kNumImageFeatures];
    for (size_t j = 0; j < out.deviation.size(); ++j) out.deviation[j] += deviation[j];
  }
  std::vector<double> psi(cells);
  for (int64_t k = 0; k < cells; ++k) {
    psi[k] = 1 - std::pow(table.rho[k], static_cast<double>(count[k]));
    out.phi[k] = psi[k] / (1 - table.rho[k]);
    for (int64_t c = 0; c < classes; ++c) {
      out.x[c] += table.cell_gain[k * classes + c] * out.phi[k];
    }
  }
  for (size_t p = 0; p < table.pairs.size(); ++p) {
    out.pair.push_back(psi[table.pairs[p].k] * psi[table.pairs[p].l]);
    for (int64_t c = 0; c < classes; ++c) {
      out.x[c] += table.pair_gain[p * classes + c] * out.pair[p];
    }
  }
  return out;
}

// The derivative of x_c by (u_c, w_c, J_c) [D].
std::vector<double> Gradient(const LookupTable& table, const Reading& reading, int64_t c) {
  std::vector<double> out = reading.phi;
  for (int f = 0; f < kNumFeatures; ++f) {
    double sum =
        f < kNumImageFeatures ? table.lambda * reading.deviation[c * kNumImageFeatures + f] : 0.0;
    for (int64_t k = 0; k < table.cells.count; ++k) {
      sum += reading.phi[k] * table.cell_features[(k * table.classes + c) * kNumFeatures + f];
    }
    out.push_back(table.unit[c] * sum);
  }
  out.insert(out.end(), reading.pair.begin(), reading.pair.end());
  return out;
}

// |L_c' q|^2.
double OwnVariance(const LookupTable& table, const std::vector<double>& q, int64_t c) {
  const int64_t size = table.Dimension();
  const float* factor = &table.factor[c * (size * (size + 1) / 2)];
  std::vector<double> product(size, 0.0);
  for (int64_t r = 0; r < size; ++r) {
    for (int64_t j = 0; j <= r; ++j) product[j] += factor[j] * q[r];
    factor += r + 1;
  }
  double sum = 0;
  for (double value : product) sum += value * value;
  return sum;
}

// V' (A_c' q) [F], with V V' the covariance of the shared weights.
std::vector<double> SharedPart(const LookupTable& table, const std::vector<double>& q, int64_t c) {
  const int64_t size = table.Dimension();
  std::vector<double> coupled(kNumFeatures, 0.0), out(kNumFeatures, 0.0);
  for (int64_t r = 0; r < size; ++r) {
    const float* row = &table.coupling[(c * size + r) * kNumFeatures];
    for (int f = 0; f < kNumFeatures; ++f) coupled[f] += row[f] * q[r];
  }
  for (int f = 0; f < kNumFeatures; ++f) {
    for (int g = 0; g <= f; ++g) out[g] += table.shared_factor[f * kNumFeatures + g] * coupled[f];
  }
  return out;
}

double SquaredLength(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return sum;
}

}  // namespace

Estimate EstimateGain(const LookupTable& table, const std::vector<int64_t>& images) {
  const Reading reading = Read(table, images);
  const double classes = static_cast<double>(table.classes);
  Estimate out;
  std::vector<double> shared(kNumFeatures, 0.0);
  double own = 0;
  for (int64_t c = 0; c < table.classes; ++c) {
    const double head = std::max(1e-3, 1 - table.class_ap[c]);
    out.class_gain.push_back(Saturate(reading.x[c], head));
    out.gain += out.class_gain[c] / classes;
    out.class_error.push_back(0);
    if (table.factor.empty()) continue;
    const double slope = SaturateSlope(reading.x[c], head);
    const std::vector<double> q = Gradient(table, reading, c);
    const double own_variance = OwnVariance(table, q, c);
    const std::vector<double> part = SharedPart(table, q, c);
    out.class_error[c] = slope * std::sqrt(own_variance + SquaredLength(part));
    own += slope * slope * own_variance;
    for (int f = 0; f < kNumFeatures; ++f) shared[f] += slope * part[f];
  }
  out.standard_error = std::sqrt(own + SquaredLength(shared)) / classes;
  return out;
}

LookupTable Draw(const LookupTable& table, uint64_t seed, double scale) {
  LookupTable out = table;
  out.factor.clear();
  out.coupling.clear();
  out.shared_factor.clear();
  if (table.factor.empty() || scale == 0) return out;
  RandomStream random(seed);
  const int64_t size = table.Dimension(), cells = table.cells.count, classes = table.classes;
  std::vector<double> shared(kNumFeatures, 0.0);
  for (int g = 0; g < kNumFeatures; ++g) {
    const double z = random.Normal();
    for (int f = g; f < kNumFeatures; ++f)
      shared[f] += table.shared_factor[f * kNumFeatures + g] * z;
  }
  std::vector<double> weight_change(classes * kNumFeatures);
  for (int64_t c = 0; c < classes; ++c) {
    std::vector<double> z(size), change(size, 0.0);
    for (double& value : z) value = random.Normal();
    const float* factor = &table.factor[c * (size * (size + 1) / 2)];
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t j = 0; j <= r; ++j) change[r] += factor[j] * z[j];
      factor += r + 1;
      const float* row = &table.coupling[(c * size + r) * kNumFeatures];
      for (int f = 0; f < kNumFeatures; ++f) change[r] += row[f] * shared[f];
      change[r] *= scale;
    }
    const double* weight = &change[cells];
    std::copy(weight, weight + kNumFeatures, &weight_change[c * kNumFeatures]);
    for (int64_t k = 0; k < cells; ++k) {
      double sum = change[k];
      const double* features = &table.cell_features[(k * classes + c) * kNumFeatures];
      for (int f = 0; f < kNumFeatures; ++f) sum += table.unit[c] * weight[f] * features[f];
      out.cell_gain[k * classes + c] += static_cast<float>(sum);
    }
    for (size_t p = 0; p < table.pairs.size(); ++p) {
      out.pair_gain[p * classes + c] += static_cast<float>(change[cells + kNumFeatures + p]);
    }
  }
  for (int64_t i = 0; i < table.images; ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      const float* deviation = &table.deviation[(i * classes + c) * kNumImageFeatures];
      const double* weight = &weight_change[c * kNumFeatures];
      double sum = 0;
      for (int f = 0; f < kNumImageFeatures; ++f) sum += weight[f] * deviation[f];
      out.image_gain[i * classes + c] += static_cast<float>(table.lambda * table.unit[c] * sum);
    }
  }
  return out;
}

}  // namespace mgral::core
