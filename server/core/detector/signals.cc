#include "server/core/detector/signals.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace mgral::core {
namespace {

constexpr uint64_t kProjectionSeed = 20231012;  // part of the format: embeddings must stay alike

double BinaryEntropy(double p) {
  p = std::clamp(p, 1e-6, 1 - 1e-6);
  return -p * std::log(p) - (1 - p) * std::log(1 - p);
}

at::Tensor UnitRows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, true).clamp_min(1e-12);
}

}  // namespace

at::Tensor EmbeddingProjection(int64_t size, int64_t most) {
  if (size <= most) return {};
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(kProjectionSeed);
  return at::empty({size, most}).normal_(0, 1 / std::sqrt(static_cast<double>(most)), generator);
}

at::Tensor ToEmbeddings(const at::Tensor& features, const at::Tensor& projection) {
  return UnitRows(projection.defined() ? features.mm(projection) : features).contiguous();
}

std::vector<std::vector<float>> ToEmbeddings(const std::vector<float>& values, int64_t size) {
  if (size == 0) return {};
  c10::NoGradGuard no_grad;
  const int64_t n = static_cast<int64_t>(values.size()) / size;
  // In double: the square of a float may be more than a float holds, or less.
  at::Tensor rows = at::empty({n, size}, at::kFloat);
  std::copy(values.begin(), values.end(), rows.data_ptr<float>());
  rows = rows.to(at::kDouble);
  rows = (rows / rows.norm(2, {1}, true).clamp_min(1e-60)).to(at::kFloat);
  rows = ToEmbeddings(rows, EmbeddingProjection(size));
  std::vector<std::vector<float>> embeddings;
  const float* row = rows.data_ptr<float>();
  for (int64_t i = 0; i < n; ++i, row += rows.size(1)) {
    embeddings.emplace_back(row, row + rows.size(1));
  }
  return embeddings;
}

void AddCounts(const std::vector<Detection>& detections, float weight,
               std::vector<float>* expected_objects, std::vector<float>* uncertainty) {
  for (const Detection& d : detections) {
    (*expected_objects)[d.label] += weight * d.score;
    (*uncertainty)[d.label] += weight * static_cast<float>(BinaryEntropy(d.score));
  }
}

}  // namespace mgral::core
