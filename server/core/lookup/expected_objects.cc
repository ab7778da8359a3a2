#include "server/core/lookup/expected_objects.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "server/core/lookup/dense.h"

namespace mgral::core {
namespace {

constexpr double kRidge = 1;  // beside directions of length 1
// Pseudo-objects on both sides of the ratio of true to detected objects, and the most of it: a
// detector that found nothing in labeled images says little of what it finds elsewhere.
constexpr double kRatioPrior = 2, kMostRatio = 4;
constexpr double kNone = 0.01;  // expected objects below are 0: rows stay sparse

int64_t CountRows(const std::vector<float>& values, int64_t columns, const std::string& field) {
  const auto size = static_cast<int64_t>(values.size());
  if (columns == 0 ? size != 0 : size % columns != 0) {
    throw std::invalid_argument(field + ": has a wrong number of values");
  }
  return columns == 0 ? 0 : size / columns;
}

void CheckRows(const std::vector<float>& values, int64_t wanted, const std::string& field) {
  if (static_cast<int64_t>(values.size()) != wanted) {
    throw std::invalid_argument(field + ": has a wrong number of values");
  }
}

double Sum(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum;
}

// The mean of all embeddings, those of the pool and the labeled ones.
std::vector<double> Center(const ObjectEvidence& in) {
  std::vector<double> center(in.dim, 0.0);
  for (const std::vector<float>* each : {&in.embeddings, &in.labeled_embeddings}) {
    for (size_t i = 0; i < each->size(); ++i) center[i % in.dim] += (*each)[i];
  }
  const auto images =
      static_cast<double>(in.embeddings.size() + in.labeled_embeddings.size()) / in.dim;
  for (double& value : center) value /= images;
  return center;
}

// The direction from the center, with a 1 for the intercept behind it.
void Direction(const float* embedding, const std::vector<double>& center, double* out) {
  double square = 0;
  for (size_t k = 0; k < center.size(); ++k) {
    out[k] = embedding[k] - center[k];
    square += out[k] * out[k];
  }
  const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
  for (size_t k = 0; k < center.size(); ++k) out[k] *= scale;
}

// Square roots of the objects of a class, by ridge regression on directions: [d + 1, C], the last
// row the mean over the labeled images.
Matrix FitAppearance(const ObjectEvidence& in, const std::vector<double>& center) {
  const int64_t d = in.dim, m = static_cast<int64_t>(in.labeled_embeddings.size()) / d;
  Matrix x(m, d), y(m, in.classes), out(d + 1, in.classes);
  for (int64_t i = 0; i < m; ++i) {
    Direction(&in.labeled_embeddings[i * d], center, &x(i, 0));
    for (int64_t c = 0; c < in.classes; ++c) {
      y(i, c) = std::sqrt(in.labeled_objects[i * in.classes + c]);
      out(d, c) += y(i, c) / static_cast<double>(m);
    }
  }
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t c = 0; c < in.classes; ++c) y(i, c) -= out(d, c);
  }
  const Matrix transposed = Transpose(x);
  Matrix gram = Multiply(transposed, x);
  for (int64_t k = 0; k < d; ++k) gram(k, k) += kRidge;
  const Matrix lower = Cholesky(gram), right = Multiply(transposed, y);
  std::vector<double> column(d);
  for (int64_t c = 0; c < in.classes; ++c) {
    for (int64_t k = 0; k < d; ++k) column[k] = right(k, c);
    column = SolveCholesky(lower, column);
    for (int64_t k = 0; k < d; ++k) out(k, c) = column[k];
  }
  return out;
}

}  // namespace

std::vector<float> ExpectObjects(const ObjectEvidence& in) {
  if (in.classes <= 0) throw std::invalid_argument("classes: must be positive");
  if (in.dim < 0) throw std::invalid_argument("dim: must not be negative");
  const int64_t images = CountRows(in.detected, in.classes, "detected");
  const int64_t labeled = CountRows(in.labeled_objects, in.classes, "labeled_objects");
  CheckRows(in.labeled_detected, labeled * in.classes, "labeled_detected");
  CheckRows(in.embeddings, images * in.dim, "embeddings");
  CheckRows(in.labeled_embeddings, labeled * in.dim, "labeled_embeddings");
  std::vector<float> out = in.detected;
  if (labeled == 0) return out;
  const double ratio = std::min(kMostRatio, (Sum(in.labeled_objects) + kRatioPrior) /
                                                (Sum(in.labeled_detected) + kRatioPrior));
  for (float& value : out) value = static_cast<float>(value * ratio);
  if (in.dim == 0) return out;
  const std::vector<double> center = Center(in);
  const Matrix weights = FitAppearance(in, center);
  std::vector<double> x(in.dim), root(in.classes);
  for (int64_t i = 0; i < images; ++i) {
    Direction(&in.embeddings[i * in.dim], center, x.data());
    for (int64_t c = 0; c < in.classes; ++c) root[c] = weights(in.dim, c);
    for (int64_t k = 0; k < in.dim; ++k) {
      for (int64_t c = 0; c < in.classes; ++c) root[c] += x[k] * weights(k, c);
    }
    for (int64_t c = 0; c < in.classes; ++c) {
      float& value = out[i * in.classes + c];
      const double mean = (std::sqrt(value) + std::max(0.0, root[c])) / 2;
      value = mean * mean < kNone ? 0.0f : static_cast<float>(mean * mean);
    }
  }
  return out;
}

}  // namespace mgral::core
