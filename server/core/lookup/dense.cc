#include "server/core/lookup/dense.h"

#include <algorithm>
#include <cmath>

namespace mgral::core {

Matrix Multiply(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows, b.cols);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t k = 0; k < a.cols; ++k) {
      const double value = a(i, k);
      if (value == 0) continue;
      for (int64_t j = 0; j < b.cols; ++j) out(i, j) += value * b(k, j);
    }
  }
  return out;
}

Matrix Transpose(const Matrix& a) {
  Matrix out(a.cols, a.rows);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.cols; ++j) out(j, i) = a(i, j);
  }
  return out;
}

Matrix Cholesky(const Matrix& a) {
  const int64_t n = a.rows;
  Matrix lower(n, n);
  for (int64_t j = 0; j < n; ++j) {
    const double* row_j = &lower.values[j * n];
    double pivot = a(j, j);
    for (int64_t k = 0; k < j; ++k) pivot -= row_j[k] * row_j[k];
    if (!(pivot > 1e-12 * a(j, j)) || !(pivot > 0)) continue;
    const double root = std::sqrt(pivot);
    lower(j, j) = root;
    for (int64_t i = j + 1; i < n; ++i) {
      const double* row_i = &lower.values[i * n];
      double sum = a(i, j);
      for (int64_t k = 0; k < j; ++k) sum -= row_i[k] * row_j[k];
      lower(i, j) = sum / root;
    }
  }
  return lower;
}

Matrix SolveLower(const Matrix& lower, const Matrix& b) {
  Matrix out = b;
  for (int64_t i = 0; i < b.rows; ++i) {
    for (int64_t k = 0; k < i; ++k) {
      const double value = lower(i, k);
      if (value == 0) continue;
      for (int64_t j = 0; j < b.cols; ++j) out(i, j) -= value * out(k, j);
    }
    const double inverse = lower(i, i) > 0 ? 1 / lower(i, i) : 0;
    for (int64_t j = 0; j < b.cols; ++j) out(i, j) *= inverse;
  }
  return out;
}

std::vector<double> SolveCholesky(const Matrix& lower, const std::vector<double>& b) {
  std::vector<double> out = b;
  for (int64_t i = 0; i < lower.rows; ++i) {
    for (int64_t k = 0; k < i; ++k) out[i] -= lower(i, k) * out[k];
    out[i] = lower(i, i) > 0 ? out[i] / lower(i, i) : 0;
  }
  for (int64_t i = lower.rows - 1; i >= 0; --i) {
    for (int64_t k = i + 1; k < lower.rows; ++k) out[i] -= lower(k, i) * out[k];
    out[i] = lower(i, i) > 0 ? out[i] / lower(i, i) : 0;
  }
  return out;
}

double LogDeterminant(const Matrix& lower) {
  double sum = 0;
  for (int64_t i = 0; i < lower.rows; ++i) {
    if (lower(i, i) > 0) sum += 2 * std::log(lower(i, i));
  }
  return sum;
}

}  // namespace mgral::core
