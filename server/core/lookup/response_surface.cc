#include "server/core/lookup/response_surface.h"

#include <algorithm>
#include <cmath>

#include "server/core/lookup/distance.h"
#include "server/core/lookup/fidelity.h"
#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

constexpr double kAmplitudes[] = {0.1, 0.3, 1, 3};
constexpr double kNoises[] = {0.1, 0.3, 1, 3};

struct ClassRows {
  std::vector<int64_t> rows;
  std::vector<double> y;
  std::vector<double> variance;
};

double SampleVariance(const std::vector<double>& values) {
  double mean = 0, sum = 0;
  for (double value : values) mean += value / static_cast<double>(values.size());
  for (double value : values) sum += (value - mean) * (value - mean);
  return values.size() > 1 ? sum / static_cast<double>(values.size() - 1) : 0.0;
}

std::vector<ClassRows> Collect(const std::vector<const Observation*>& observations,
                               int64_t classes) {
  std::vector<ClassRows> out(classes);
  for (int64_t c = 0; c < classes; ++c) {
    for (size_t o = 0; o < observations.size(); ++o) {
      const std::vector<double>& variance = observations[o]->variance;
      if (!variance.empty() && !std::isfinite(variance[c])) continue;
      out[c].rows.push_back(static_cast<int64_t>(o));
      out[c].y.push_back(observations[o]->response[c]);
      out[c].variance.push_back(variance.empty() ? 0 : variance[c]);
    }
    const double unknown = std::max(1e-10, SampleVariance(out[c].y));
    for (double& value : out[c].variance) value = value > 0 ? value : unknown;
  }
  return out;
}

// amplitude^2 phi kernel phi' + intercept + noise, for the rows of a class.
Matrix Covariance(const Matrix& gram, const ClassRows& data, double amplitude, double noise,
                  double intercept) {
  const int64_t n = static_cast<int64_t>(data.rows.size());
  Matrix out(n, n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      out(i, j) = amplitude * amplitude * gram(data.rows[i], data.rows[j]) + intercept * intercept;
    }
    out(i, i) += noise * data.variance[i];
  }
  return out;
}

double LogLikelihood(const Matrix& covariance, const std::vector<double>& y) {
  const Matrix lower = Cholesky(covariance);
  double sum = -0.5 * LogDeterminant(lower);
  for (double value : SolveLower(lower, y)) sum -= 0.5 * value * value;
  return sum;
}

// y_i minus what the other rows predict for it, from the inverse of the covariance.
std::vector<double> LeaveOneOut(const Matrix& covariance, const std::vector<double>& y) {
  const Matrix lower = Cholesky(covariance);
  const std::vector<double> weighted = SolveCholesky(lower, y);
  std::vector<double> predicted;
  for (size_t i = 0; i < y.size(); ++i) {
    std::vector<double> unit(y.size(), 0.0);
    unit[i] = 1;
    const double diagonal = SolveCholesky(lower, unit)[i];
    predicted.push_back(y[i] - weighted[i] / diagonal);
  }
  return predicted;
}

}  // namespace

Matrix CellKernel(const Cells& cells) {
  std::vector<double> distances;
  Matrix squared(cells.count, cells.count);
  for (int64_t k = 0; k < cells.count; ++k) {
    for (int64_t l = 0; l < k; ++l) {
      squared(k, l) = squared(l, k) = SquaredDistance(&cells.centroids[k * cells.dim],
                                                      &cells.centroids[l * cells.dim], cells.dim);
      distances.push_back(squared(k, l));
    }
  }
  double length = 1;
  if (!distances.empty()) {
    std::nth_element(distances.begin(), distances.begin() + distances.size() / 2, distances.end());
    length = prior::kLengthShare * std::sqrt(distances[distances.size() / 2]);
  }
  Matrix out(cells.count, cells.count);
  for (int64_t k = 0; k < cells.count; ++k) {
    for (int64_t l = 0; l < cells.count; ++l) {
      out(k, l) = (1 - prior::kNugget) * std::exp(-squared(k, l) / (2 * length * length + 1e-30));
    }
    out(k, k) += prior::kNugget;
  }
  return out;
}

ResponseSurface FitResponse(const std::vector<const Observation*>& observations, const Matrix& phi,
                            const Matrix& kernel, int64_t classes) {
  ResponseSurface out;
  out.batches = static_cast<int64_t>(observations.size());
  out.response.assign(kernel.rows * classes, 0.0);
  out.fidelity = std::nan("");
  const std::vector<ClassRows> data = Collect(observations, classes);
  double square = 0, total_phi = 0, count = 0;
  for (const ClassRows& rows : data) {
    for (double y : rows.y) square += y * y;
    count += static_cast<double>(rows.y.size());
  }
  for (double value : phi.values) total_phi += value;
  if (square <= 0 || total_phi <= 0) return out;
  const double rms = std::sqrt(square / count);
  const double usual = rms * static_cast<double>(phi.rows) / total_phi;  // per distinct image

  const Matrix gram = MultiplyTransposed(Multiply(phi, kernel), phi);
  double most = -INFINITY, amplitude = 0, noise = 1;
  for (double a : kAmplitudes) {
    for (double v : kNoises) {
      // Half a unit of evidence per step away from "all noise" keeps few observations there.
      double evidence = -0.5 * std::pow(std::log(a / 0.3), 2) - 0.5 * std::pow(std::log(v), 2);
      for (const ClassRows& rows : data) {
        evidence += LogLikelihood(Covariance(gram, rows, a * usual, v, rms), rows.y);
      }
      if (evidence > most) {
        most = evidence;
        amplitude = a * usual;
        noise = v;
      }
    }
  }
  const Matrix cross = Multiply(kernel, Transpose(phi));  // [K, O]
  std::vector<double> predicted(observations.size(), 0.0), measured(observations.size(), 0.0);
  double square_response = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const ClassRows& rows = data[c];
    if (rows.y.empty()) continue;
    const Matrix covariance = Covariance(gram, rows, amplitude, noise, rms);
    const std::vector<double> weighted = SolveCholesky(Cholesky(covariance), rows.y);
    for (int64_t k = 0; k < kernel.rows; ++k) {
      double sum = 0;
      for (size_t i = 0; i < rows.rows.size(); ++i) sum += cross(k, rows.rows[i]) * weighted[i];
      out.response[k * classes + c] = amplitude * amplitude * sum;
      square_response += std::pow(out.response[k * classes + c], 2);
    }
    const std::vector<double> left_out = LeaveOneOut(covariance, rows.y);
    for (size_t i = 0; i < rows.rows.size(); ++i) {
      predicted[rows.rows[i]] += left_out[i];
      measured[rows.rows[i]] += rows.y[i];
    }
  }
  // Never blow up a surface that the evidence has pressed flat.
  out.scale =
      std::max(usual, std::sqrt(square_response / static_cast<double>(out.response.size())));
  if (observations.size() >= 4) out.fidelity = RankCorrelation(predicted, measured);
  return out;
}

}  // namespace mgral::core
