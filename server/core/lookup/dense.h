#pragma once

#include <cstdint>
#include <vector>

namespace mgral::core {

// Small dense linear algebra in a fixed order of summation, so that a fit is the same to the byte
// whatever the number of threads. Row-major doubles.
struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), values(r * c, 0.0) {}
  double& operator()(int64_t r, int64_t c) { return values[r * cols + c]; }
  double operator()(int64_t r, int64_t c) const { return values[r * cols + c]; }
};

// a * b.
Matrix Multiply(const Matrix& a, const Matrix& b);
Matrix Transpose(const Matrix& a);

// Lower L with L L' = a, for symmetric positive semi-definite a: a pivot that is lost in rounding
// gives a column of zeros.
Matrix Cholesky(const Matrix& a);
// L^-1 b for every column of b; columns of L that are zero give zero.
Matrix SolveLower(const Matrix& lower, const Matrix& b);
// (L L')^-1 b.
std::vector<double> SolveCholesky(const Matrix& lower, const std::vector<double>& b);
double LogDeterminant(const Matrix& lower);  // of L L'

}  // namespace mgral::core
