#include "server/core/detector/readout.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "server/core/detector/net_inputs.h"
#include "server/core/detector/network.h"

namespace mgral::core {
namespace {

constexpr int kReadoutLevel = 4;
constexpr double kStride = 1 << kReadoutLevel;
// An object's rows are within half of it around its center.
constexpr double kCenterShare = 0.5;
// The weight of a class's objects beside all positions, and what a rare one may gain by it.
constexpr double kPositiveShare = 0.2, kLeastPositives = 0.002;
constexpr double kRidge = 0.5;  // a position
// Rows that principal components are taken of, and features that they are taken of directly.
constexpr int64_t kSampledRows = 8192, kMostFeatures = 512;
constexpr uint64_t kReductionSeed = 20261126;
constexpr int64_t kDescribedTogether = 16;

// [h w, F] of one image of a batch, without the canvas around it.
at::Tensor Rows(const std::vector<at::Tensor>& levels, int64_t image, int min_level,
                const BoxF& content, int64_t* width) {
  const at::IntArrayRef size = levels.at(kReadoutLevel - min_level).sizes().slice(2);
  std::vector<at::Tensor> maps;
  for (const at::Tensor& level : levels) {
    const at::Tensor map = level.slice(0, image, image + 1).to(at::kFloat).cpu();
    maps.push_back(map.size(2) >= size[0] ? at::adaptive_avg_pool2d(map, size)
                                          : at::upsample_nearest2d(map, size));
  }
  const auto used = [](float length, int64_t cells) {
    return std::clamp<int64_t>(std::llround(std::ceil(length / kStride)), 1, cells);
  };
  *width = used(content.x_max, size[1]);
  return at::cat(maps, 1)[0]
      .slice(1, 0, used(content.y_max, size[0]))
      .slice(2, 0, *width)
      .permute({1, 2, 0})
      .flatten(0, 1)
      .contiguous();
}

// Positions whose centers lie within `reach` of `middle`, or the one that holds it.
std::pair<int64_t, int64_t> Reach(double middle, double reach, int64_t cells) {
  reach = std::max(reach, kStride / 2);
  const auto first = static_cast<int64_t>(std::ceil((middle - reach) / kStride - 0.5));
  const auto last = static_cast<int64_t>(std::floor((middle + reach) / kStride - 0.5));
  return {std::clamp<int64_t>(first, 0, cells - 1), std::clamp<int64_t>(last, 0, cells - 1)};
}

std::vector<ReadoutObject> ObjectsOf(const Sample& labels, int64_t height, int64_t width) {
  std::vector<ReadoutObject> objects;
  const auto box = labels.boxes.accessor<float, 2>();
  for (int64_t i = 0; i < labels.boxes.size(0); ++i) {
    if (labels.ignore[i].item<bool>()) continue;
    const auto [left, right] =
        Reach((box[i][0] + box[i][2]) / 2, kCenterShare * (box[i][2] - box[i][0]) / 2, width);
    const auto [top, bottom] =
        Reach((box[i][1] + box[i][3]) / 2, kCenterShare * (box[i][3] - box[i][1]) / 2, height);
    ReadoutObject object;
    object.label = labels.labels[i].item<int64_t>();
    for (int64_t y = top; y <= bottom; ++y) {
      for (int64_t x = left; x <= right; ++x) object.rows.push_back(y * width + x);
    }
    objects.push_back(std::move(object));
  }
  return objects;
}

// Every n-th row of all images together.
at::Tensor SampledRows(const std::vector<at::Tensor>& features) {
  int64_t total = 0;
  for (const at::Tensor& f : features) total += f.size(0);
  const int64_t step = std::max<int64_t>(1, total / kSampledRows);
  std::vector<at::Tensor> rows;
  int64_t offset = 0;
  for (const at::Tensor& f : features) {
    if (offset < f.size(0)) rows.push_back(f.slice(0, offset, f.size(0), step).to(at::kFloat));
    offset = offset < f.size(0) ? (step - (f.size(0) - offset) % step) % step : offset - f.size(0);
  }
  return at::cat(rows);
}

// x -> (x - mean) projection.
struct Projection {
  at::Tensor mean;    // [F]
  at::Tensor matrix;  // [F, D]
};

// Standardized features to principal components, which are half whitened: brought closer to one
// another in scale, so that the ridge does not see the first ones alone.
Projection PrincipalComponents(const at::Tensor& sample) {
  Projection out;
  out.mean = sample.mean(0);
  const at::Tensor deviation = sample.std(0, /*unbiased=*/false) + 1e-3;
  at::Tensor start = at::diag(1 / deviation);
  if (sample.size(1) > kMostFeatures) {  // Johnson-Lindenstrauss
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(kReductionSeed);
    const double spread = 1 / std::sqrt(static_cast<double>(kMostFeatures));
    start = at::empty({sample.size(1), kMostFeatures}).normal_(0, spread, generator) /
            deviation.unsqueeze(1);
  }
  const at::Tensor reduced = (sample - out.mean).matmul(start).to(at::kDouble);
  const at::Tensor covariance =
      reduced.t().matmul(reduced) / static_cast<double>(std::max<int64_t>(1, sample.size(0)));
  const auto [values, vectors] = at::linalg_eigh(covariance);  // ascending
  const int64_t size = std::min(kReadoutSize, covariance.size(0));
  const at::Tensor scale = values.slice(0, -size).clamp_min(1e-6).pow(-0.25);
  out.matrix = start.matmul((vectors.slice(1, -size) * scale).to(at::kFloat));
  return out;
}

}  // namespace

bool HasReadout(const DetectorConfig& config) {
  return config.architecture != Architecture::kSsd300;
}

std::vector<ReadoutImage> ProjectForReadout(std::vector<at::Tensor> features,
                                            std::vector<std::vector<ReadoutObject>> objects) {
  std::vector<ReadoutImage> images;
  if (features.empty()) return images;
  c10::NoGradGuard no_grad;
  const Projection projection = PrincipalComponents(SampledRows(features));
  for (size_t i = 0; i < features.size(); ++i) {
    ReadoutImage image;
    const at::Tensor projected =
        (features[i].to(at::kFloat) - projection.mean).matmul(projection.matrix);
    image.rows = at::cat({projected, at::ones({projected.size(0), 1})}, 1);
    image.gram = image.rows.t().matmul(image.rows);
    features[i] = at::Tensor();
    image.objects = std::move(objects[i]);
    for (const ReadoutObject& object : image.objects) {
      std::vector<int64_t>& own = image.class_rows[object.label];
      own.insert(own.end(), object.rows.begin(), object.rows.end());
    }
    for (auto& [label, rows] : image.class_rows) {
      std::sort(rows.begin(), rows.end());
      rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    }
    images.push_back(std::move(image));
  }
  return images;
}

std::vector<ReadoutImage> DescribeForReadout(const Detector& detector, SampleSource& samples,
                                             FeatureCache* cache, const ProgressFn& progress) {
  const DetectorConfig& config = detector.config();
  if (!HasReadout(config)) {
    throw std::invalid_argument("this architecture's trunk has no level of stride 16");
  }
  c10::NoGradGuard no_grad;
  Workers workers(kDescribedTogether);  // operators run in one thread: sums must not depend on it
  const NetInputs inputs(detector, cache, workers);
  const int64_t size = samples.size();
  std::vector<at::Tensor> features;
  std::vector<std::vector<ReadoutObject>> objects;
  for (int64_t first = 0; first < size; first += kDescribedTogether) {
    std::vector<Sample> part;
    for (int64_t i = first; i < std::min(size, first + kDescribedTogether); ++i) {
      part.push_back(
          CheckedSample(samples.Get(i), config.num_classes, "sample " + std::to_string(i)));
    }
    const Minibatch batch = inputs.PlainBatch(part);
    const std::vector<at::Tensor> levels =
        batch.input.images.defined()
            ? detector.net().Features(batch.input.images.to(detector.device()))
            : batch.input.features;
    for (size_t i = 0; i < part.size(); ++i) {
      int64_t width = 0;
      const BoxF content = batch.input.ContentOf(static_cast<int64_t>(i));
      const at::Tensor rows =
          Rows(levels, static_cast<int64_t>(i), config.min_level, content, &width);
      objects.push_back(ObjectsOf(batch.labels[i], rows.size(0) / width, width));
      features.push_back(rows.to(at::kHalf));
    }
    if (progress && !progress(static_cast<double>(features.size()) / size)) throw Canceled();
  }
  return ProjectForReadout(std::move(features), std::move(objects));
}

at::Tensor FitReadout(const ReadoutImages& images, int64_t classes) {
  if (images.empty()) throw std::invalid_argument("a readout needs images");
  c10::NoGradGuard no_grad;
  const int64_t size = images[0]->rows.size(1);
  at::Tensor total = at::zeros({size, size}, at::kDouble);
  double positions = 0;
  std::vector<std::vector<at::Tensor>> positive(classes);
  for (const ReadoutImage* image : images) {
    total += image->gram;
    positions += image->rows.size(0);
    for (const auto& [label, rows] : image->class_rows) {
      if (label < 0 || label >= classes) throw std::invalid_argument("label: no such class");
      positive[label].push_back(image->rows.index_select(0, at::tensor(rows, at::kLong)));
    }
  }
  at::Tensor ridge = at::full({size}, kRidge * positions, at::kDouble);
  ridge[size - 1] = 1e-6 * positions;  // not the intercept
  total += at::diag(ridge);
  at::Tensor weights = at::zeros({size, classes}, at::kDouble);
  for (int64_t c = 0; c < classes; ++c) {
    if (positive[c].empty()) continue;
    const at::Tensor own = at::cat(positive[c]).to(at::kDouble);
    const double count = own.size(0);
    const double weight = kPositiveShare * positions / std::max(count, kLeastPositives * positions);
    const at::Tensor gram = total + (weight - 1) * own.t().matmul(own);
    const at::Tensor target = (weight * own.sum(0)).unsqueeze(1);
    weights.select(1, c).copy_(at::cholesky_solve(target, at::linalg_cholesky(gram)).squeeze(1));
  }
  return weights;
}

ReadoutLoss MeasureReadout(const at::Tensor& weights, const ReadoutImages& images) {
  c10::NoGradGuard no_grad;
  const int64_t classes = weights.size(1);
  const at::Tensor single = weights.to(at::kFloat);
  ReadoutLoss out;
  out.positives.assign(classes, 0);
  out.missed.assign(classes, 0);
  std::vector<double> hinge(classes, 0), background(classes, 0);
  double positions = 0;
  for (const ReadoutImage* image : images) {
    const at::Tensor scores = image->rows.matmul(single).contiguous();
    const auto score = scores.accessor<float, 2>();
    positions += score.size(0);
    for (int64_t p = 0; p < score.size(0); ++p) {
      for (int64_t c = 0; c < classes; ++c) {
        if (score[p][c] > 0) background[c] += static_cast<double>(score[p][c]) * score[p][c];
      }
    }
    for (const auto& [label, rows] : image->class_rows) {
      if (label >= classes) continue;  // refused below
      for (const int64_t p : rows) {
        if (score[p][label] > 0) {
          background[label] -= static_cast<double>(score[p][label]) * score[p][label];
        }
      }
    }
    for (const ReadoutObject& object : image->objects) {
      if (object.label >= classes) throw std::invalid_argument("label: no such class");
      float best = -std::numeric_limits<float>::infinity();
      for (const int64_t p : object.rows) best = std::max(best, score[p][object.label]);
      const double short_by = 1 - std::min(1.0f, best);
      hinge[object.label] += short_by * short_by;
      out.missed[object.label] += std::min(1.0, short_by);
      ++out.positives[object.label];
    }
  }
  for (int64_t c = 0; c < classes; ++c) {
    out.loss.push_back(out.positives[c] > 0 ? kPositiveShare * hinge[c] / out.positives[c] +
                                                  std::max(0.0, background[c]) / positions
                                            : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

}  // namespace mgral::core
